"""What the host of nhisync must open where no server grants anything: connections out, and files to read.

For adapters. `nhisync.spi` itself does not import it. A line of such a document stands for one permission, so that each
can be left out and missed by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from nhisync.spi.errors import ErrorKind, ProviderError
from nhisync.spi.files import LARGEST_BUNDLE, read_file
from nhisync.spi.printed import PermissionDocument
from nhisync.spi.protocols import Check, CheckState

_OWN, _PUBLIC = ("nhisync:nhisync", "0600"), ("root:root", "0644")


@dataclass(frozen=True, slots=True)
class Readable:
    """A file that the user ``nhisync`` must be able to read.

    Attributes:
        file: where it stands.
        secret: nobody else may read it.
    """

    file: Path
    secret: bool = False

    @property
    def action(self) -> str:
        """The permission, as documents and errors name it."""
        return f"read:{self.file}"

    @property
    def command(self) -> str:
        """The one shell line that grants it."""
        owner, bits = _OWN if self.secret else _PUBLIC
        name = quote(str(self.file))
        return f"chown {owner} {name} && chmod {bits} {name}"


def connect(endpoint: str) -> str:
    """The permission to connect to ``host:port``, as documents and errors name it."""
    return f"connect:{endpoint}"


def egress(provider: str, endpoints: Sequence[str]) -> PermissionDocument:
    """The connections out that a provider needs, one a line."""
    lines = [
        f"# Outbound connections of nhisync for provider {provider}.",
        "egress:",
        *(f'  - {{to: "{endpoint}", protocol: tcp}}' for endpoint in endpoints),
    ]
    return PermissionDocument(
        title="network openings for the host that runs nhisync",
        language="yaml",
        text="\n".join(lines) + "\n",
        actions=tuple(connect(endpoint) for endpoint in endpoints),
    )


def modes(files: Sequence[Readable]) -> PermissionDocument:
    """The file modes that a provider needs, one file a line."""
    lines = [
        "# Files that the user nhisync must read, and nobody else may change. The folders above them must let it pass.",
        *(one.command for one in files),
    ]
    return PermissionDocument(
        title="file modes on the host that runs nhisync",
        language="sh",
        text="\n".join(lines) + "\n",
        actions=tuple(one.action for one in files),
    )


def examine_files(files: Iterable[Readable]) -> Iterator[Check]:
    """Say of each file whether we may read it, in the words of `modes`.

    Of what is not there, or is no file, nothing is said: that is no missing permission, and whoever reads it tells.
    """
    for one in files:
        name = f"permission:{one.action}"
        try:
            read_file(one.file, LARGEST_BUNDLE)
        except PermissionError:
            fix = f"{one.command}; the folders above must let nhisync pass."
            closed = ProviderError(
                ErrorKind.DENIED, "this user may not read it", action=one.action, resource=str(one.file), fix=fix
            )
            yield Check(name=name, state=CheckState.FAILED, observed=closed.message, fix=fix, error=closed.fact)
        except (OSError, ValueError):  # ValueError: a null byte in the path
            continue
        else:
            yield Check(name=name, state=CheckState.OK, observed="readable")
