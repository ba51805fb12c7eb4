"""README.md cannot lie: its transcript is what the embedded world prints, its example loads, its links exist."""

import io
import os
import re
import shlex
from pathlib import Path

import pytest

from nhisync.app.live import digest_of
from nhisync.app.session import Session
from nhisync.cli import catalogue, main
from nhisync.parity.rules import codes
from nhisync.store import Store
from nhisync.testing.demo_history import remember

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

VOLATILE = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<instant>"),
    (r"\d{4}-\d\d-\d\d", "<date>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{1,4}\b", "<version>"),
    (r"evidence [\dd:h]+ old", "evidence <age> old"),
)
"""What differs from run to run, and the word it is compared as."""


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def stable(text: str) -> list[str]:
    """Lines without what differs from run to run, blanks squeezed (columns follow the widest cell)."""
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def shown(config: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `command` prints on a terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    out = Terminal()
    main(["-c", str(config), *shlex.split(command)[1:]], stdout=out, stderr=io.StringIO(), environ={"NO_COLOR": "1"})
    return out.getvalue()


def test_transcript_is_real(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transcript of the first screen equals what the command prints on the embedded world."""
    block = re.search(r"```console\n\$ (.*?)\n(.*?)```", README, re.DOTALL)
    assert block is not None
    session = Session.open(config)
    with Store.open(session.configuration.store_url, clock=session.clock, randomness=session.randomness) as store:
        tried = session.configuration.details["wallet"].probes["vouchers"]["backup"]
        remember(store, session.clock, digest_of(tried))  # as `make demo` does
    real = shown(config, block[1], monkeypatch)
    if os.environ.get("NHISYNC_UPDATE_README"):  # the way to renew it: make test ARGS=... with this variable set
        (ROOT / "README.md").write_text(README.replace(block[2], real), encoding="utf-8")
        return
    assert stable(block[2]) == stable(real)


def test_families_name_their_rules() -> None:
    """The table of families names the first and the last rule of each, as they are built."""
    told = dict(re.findall(r"^\| (\d) [^|]+\|[^|]+\| \[?(NHS\d{3}(?:–NHS\d{3})?)", README, re.MULTILINE))
    built = {family: sorted(code for code in codes() if code[3] == family) for family in told}
    assert told == {family: "–".join(dict.fromkeys((found[0], found[-1]))) for family, found in built.items()}
    assert sum(map(len, built.values())) == len(codes())


def test_example_configuration_loads(tmp_path: Path) -> None:
    """The configuration of the first run is valid as it stands, the settings of its providers included."""
    block = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    file = tmp_path / "nhisync.yaml"
    file.write_text(re.sub(r"^ {3}", "", block[1], flags=re.MULTILINE), encoding="utf-8")
    assert [app.name for app in Session.open(file).configuration.apps] == ["payments"]


def test_links_and_commands_exist() -> None:
    """Every relative link leads to a file, every `nhisync <command>` is a command."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
    named = set(re.findall(r"`nhisync ([a-z]+)", README)) | set(
        re.findall(r"^\$ nhisync ([a-z]+)", README, re.MULTILINE)
    )
    assert named - {entry.name for entry in catalogue.ENTRIES} == set()
