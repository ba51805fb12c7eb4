"""Who sits at this command line, for the audit trail."""

import os
import pwd
import socket


def person() -> str:
    """``user@host`` of the operating system; environment variables are not believed."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user without an entry
        name = f"uid {uid}"
    return f"{name}@{socket.gethostname()}"
