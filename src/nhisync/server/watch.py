"""Take over what the sync process publishes: a thread that looks at the file and swaps the site's table."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from nhisync.app.objections import standing
from nhisync.app.publish import moment, read
from nhisync.clock import Clock
from nhisync.server.answers import Table, table_of
from nhisync.server.site import Site
from nhisync.statement import Against, Publication, StatementError, admit, parse, restricted

LOOK_EVERY = 0.25
"""Seconds between two looks; a verdict reaches the pollers at most this much later."""

_log = logging.getLogger(__name__)


class Watcher:
    """Follows one publication file.

    A file that is gone was retracted: everything blocks at once. A file that is refused (cut, older, from the future,
    of another version or boot) changes nothing: what is served ends by itself at its ``valid_until``. An objection
    beside it blocks at once, and after its removal until a newer publication is believed: that one knows of it.

    Args:
        file: the publication.
        site: whose table is swapped.
        clock: this machine's clocks.
        not_before: publications evaluated earlier on the boot clock (seconds) belong to an earlier start and are
            refused; None = take whatever is still valid.
        on_death: called when the thread ends by an error of ours: a listener that follows nothing must be replaced.
    """

    def __init__(
        self,
        file: Path,
        site: Site,
        clock: Clock,
        *,
        not_before: float | None = None,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._file, self._site, self._clock, self._not_before = file, site, clock, not_before
        self._on_death = on_death
        self._unpublished: Table = site.table
        self._publication: Publication | None = None
        self._against = Against()
        self._seen: bytes | None = None
        self._last_sequence: int | None = None
        self._complaint = ""
        self._grumbled: set[Path] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nhisync-watch", daemon=True)

    def start(self) -> None:
        """Look once, then go on looking in a thread of its own (a hanging file system stops no answer)."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def look(self) -> None:
        """Look at the file once and swap the table when there is something new to believe."""
        said = standing(self._file)  # before the publication: what was recorded by then stands in it
        news = False
        try:
            news = self._take(read(self._file))
        except FileNotFoundError:
            self._seen = self._publication = None
            self._site.table = self._unpublished
            self._complain("nothing is published: every signal is blocked")
        except StatementError as refusal:
            self._complain(f"the publication is refused: {refusal}")
        except OSError as failure:
            told = f"the publication {self._file} cannot be read: {failure.strerror}"
            self._complain(f"{told}; what is served ends by itself")
        self._serve(said.against if news else said.against | self._against, news=news)
        for file in (*said.unreadable, *said.foreign):
            self._grumble(file)

    def _take(self, data: bytes) -> bool:
        """Whether `data` is a publication to serve from now on."""
        if data == self._seen:
            return False
        try:
            publication = parse(data)
        except StatementError:
            self._seen = data  # these bytes will never be a publication; one that is only too early may become one
            raise
        admit(publication, moment(self._clock), last_sequence=self._last_sequence)
        if self._not_before is not None and publication.boottime < self._not_before:
            raise StatementError("it was evaluated before this start; the first evaluation is awaited")
        self._publication = publication
        self._seen, self._last_sequence, self._complaint = data, publication.sequence, ""
        return True

    def _serve(self, against: Against, *, news: bool) -> None:
        """Swap the table when there is a new publication or another objection."""
        if self._publication is None or not (news or against != self._against):
            return
        if against != self._against and (against.places or against.everything):
            _log.warning("blocked, because a person objects: %s", against)
        self._site.table = table_of(restricted(self._publication, against))
        self._against = against
        _log.debug("serving sequence %d", self._publication.sequence)

    def _grumble(self, file: Path) -> None:
        """Tell once of a file that cannot be heard, or that nobody could read."""
        if file not in self._grumbled:
            self._grumbled.add(file)
            _log.warning("%s is no objection of nhisync's user, or cannot be read", file)

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            _log.warning("%s", text)

    def _run(self) -> None:
        try:
            while not self._stop.wait(LOOK_EVERY):
                self.look()
        finally:
            if not self._stop.is_set():
                self._on_death()
