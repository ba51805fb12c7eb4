"""The embedded world in a process of its own: ``python -m nhisync.testing.host DIRECTORY [--remove]``.

Prints one JSON line with the configuration's path when everything answers, then lives until its standard input ends:
when the parent dies, the world dies with it, and with ``--remove`` the folder goes, too (it holds credential files).
"""

import contextlib
import json
import shutil
import signal
import sys
from pathlib import Path

from nhisync.errors import NhisyncError
from nhisync.testing.demo import scenario
from nhisync.testing.embedded import EmbeddedWorld


def main(directory: str, *options: str) -> int:
    """Run the demo's world until stdin ends. Whatever happens its servers are stopped: their threads outlive errors."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the parent, which then closes our stdin
    world = EmbeddedWorld(scenario(), directory=Path(directory))
    try:
        return _serve(world)
    finally:
        world.stop()
        if "--remove" in options:
            shutil.rmtree(directory, ignore_errors=True)


def _serve(world: EmbeddedWorld) -> int:
    try:
        answer = {"config": str(world.start())}
    except (NhisyncError, OSError) as failure:
        answer = _said(failure)
    with contextlib.suppress(BrokenPipeError):  # the parent was killed while the world started
        print(json.dumps(answer), flush=True)  # noqa: T201
    if "error" in answer:
        return 1
    sys.stdin.read()
    return 0


def _said(failure: NhisyncError | OSError) -> dict[str, str]:
    """The failure for the parent, whose person never sees this process."""
    if isinstance(failure, NhisyncError):
        return {"error": failure.message, "fix": failure.fix}
    place = f" ({failure.filename})" if failure.filename else ""
    return {
        "error": f"the embedded world could not start: {failure.strerror or type(failure).__name__}{place}",
        "fix": "It needs a folder it may write and free ports on 127.0.0.1; another folder: --directory DIR.",
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
