"""A vault's kinds and a directory's: lists first, single reads only for what a list cannot say."""

from collections.abc import Callable, Iterator, Sequence

from nhisync.spi import Observation
from nhisync_azure.kinds.certificates import Certificates
from nhisync_azure.kinds.directory import GROUPS, Directory
from nhisync_azure.kinds.keys import Keys
from nhisync_azure.kinds.secrets import Secrets
from nhisync_azure.run import Run

Collector = Callable[[], Iterator[Observation]]


def collectors(run: Run) -> Sequence[Collector]:
    """Readers of everything that was asked for and that this source has; they may run at the same time."""
    kinds = [one for one in (Secrets, Certificates, Keys) if run.touched(one.kind) and run.settings.serves(one.kind)]
    groups = [one for one in GROUPS if run.settings.has_directory and any(map(run.touched, one.kinds))]
    return [*(kind(run).collect for kind in kinds), *(Directory(run, group).collect for group in groups)]


__all__ = ["Collector", "collectors"]
