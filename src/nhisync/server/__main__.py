"""``python -m nhisync.server``: the child that ``nhisync serve`` starts; told everything on its standard input.

The first line is a JSON document (`wire`), after it the pipe stays open: when it ends, the parent is gone and the
listener leaves, so that a restarted service finds its port free. A refused connection means the same to a controller
as a 503.
"""

import json
import logging
import socket
import sys
from dataclasses import asdict
from pathlib import Path

from nhisync.clock import SystemClock
from nhisync.errors import UsageError
from nhisync.server.listener import Listener, ListenerSettings
from nhisync.server.serving import TlsFiles, stop_with_parent

UNUSABLE = 2
"""Exit code for a configuration that no second start would change; the supervisor then ends (contracts.md §1)."""


def wire(settings: ListenerSettings, descriptors: list[int]) -> bytes:
    """The line that tells a child process its settings and its inherited listening sockets."""
    document = {
        "file": str(settings.file),
        "instance": settings.instance,
        "places": settings.places,
        "tls": None if settings.tls is None else asdict(settings.tls),
        "not_before": settings.not_before,
        "sockets": descriptors,
    }
    return json.dumps(document, default=str).encode() + b"\n"


def main() -> int:
    """Serve until told to stop; `UNUSABLE` when the TLS files cannot be used, which stderr says."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    told = json.loads(sys.stdin.buffer.readline())
    settings = ListenerSettings(
        file=Path(told["file"]),
        instance=told["instance"],
        places=told["places"],
        tls=told["tls"] and TlsFiles(**{name: part and Path(part) for name, part in told["tls"].items()}),
        not_before=told["not_before"],
    )
    listener = Listener(settings, SystemClock())
    stop_with_parent(listener.stop)
    try:
        listener.run([socket.socket(fileno=number) for number in told["sockets"]])
    except UsageError as refusal:
        sys.stderr.write(f"nhisync: {refusal.message}\n  {refusal.fix}\nExit {UNUSABLE}.\n")
        return UNUSABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
