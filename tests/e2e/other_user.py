"""Looking as another user of this machine: what a file's mode means shows only there."""

import os
import pickle
import pwd
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def open_folder(name: str) -> Path:
    """A folder outside pytest's own, which no other user may enter; only root can make it another user's."""
    if os.geteuid() != 0:
        pytest.fail("a second user is needed, and only root can become one: run make e2e as root", pytrace=False)
    base = Path(tempfile.mkdtemp(prefix=f"nhisync-{name}-"))
    base.chmod(0o755)
    return base


def as_user(name: str, question: Callable[[], Any]) -> Any:
    """What `question` answers in a process of this user; imports must have been made before."""
    user = pwd.getpwnam(name)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(question(), pipe)
        finally:  # whatever was raised: a second pytest must not go on from here
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pickle.load(pipe)
    os.waitpid(child, 0)
    return answer
