"""`nhisync demo`: the main job on an embedded world, in two processes like in real life."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nhisync.errors import NhisyncError


@contextmanager
def running_world(directory: Path) -> Iterator[Path]:
    """Start the embedded world in a child process; yields its configuration file, stops the world afterwards.

    Raises:
        NhisyncError: the world could not be started (an extra is missing, a port is refused).
    """
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "nhisync.testing.host", str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield _config(child)
    finally:
        _end(child)


def _config(child: "subprocess.Popen[str]") -> Path:
    line = child.stdout.readline() if child.stdout else ""
    if not line:
        raise NhisyncError(
            "the embedded world ended before it answered",
            fix="Install the extras it needs: pip install 'nhisync[all,demo]'",
        )
    answer = json.loads(line)
    if "error" in answer:
        raise NhisyncError(answer["error"], fix=answer.get("fix", ""))
    return Path(answer["config"])


def _end(child: "subprocess.Popen[str]") -> None:
    """Closing its stdin ends the world; a world that hangs is killed."""
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
