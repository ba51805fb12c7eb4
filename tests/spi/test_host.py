"""Documents for the host itself: one line for one permission, and the same words when it is missing."""

import os
from pathlib import Path

from nhisync.spi import CheckState
from nhisync.spi.host import Readable, connect, egress, examine_files, modes


def test_a_line_is_a_permission() -> None:
    """Every line that is no comment or heading stands for exactly one action, in the same order."""
    files = [Readable(Path("/etc/a b.pem")), Readable(Path("/etc/key.pem"), secret=True)]
    document = modes(files)
    commands = [line for line in document.text.splitlines() if not line.startswith("#")]
    assert commands == [
        "chown root:root '/etc/a b.pem' && chmod 0644 '/etc/a b.pem'",
        "chown nhisync:nhisync /etc/key.pem && chmod 0600 /etc/key.pem",
    ]
    assert document.actions == ("read:/etc/a b.pem", "read:/etc/key.pem")
    openings = egress("tls", ["192.0.2.1:443", "[2001:db8::1]:443"])
    assert openings.actions == (connect("192.0.2.1:443"), connect("[2001:db8::1]:443"))
    assert openings.text.count("protocol: tcp") == 2


def test_what_is_not_there_is_no_missing_permission(tmp_path: Path) -> None:
    """Of a file that is not there, a pipe or a name that none can have nothing is said, and nothing waits."""
    (tmp_path / "good").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    names = ["good", "none", "pipe", "null\0byte"]
    (check,) = examine_files(Readable(tmp_path / name) for name in names)
    assert (check.name, check.state) == (f"permission:read:{tmp_path / 'good'}", CheckState.OK)
