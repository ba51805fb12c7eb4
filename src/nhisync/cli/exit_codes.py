"""What the process answers (contracts.md §1): 1 is a real answer, and nothing that went wrong can come out as it."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The only codes nhisync ends with."""

    OK = 0  # parity, ready, done
    DRIFT = 1  # drift, not ready: a real answer, as diff(1) and kubectl give it
    USAGE = 2  # usage or configuration; nothing was contacted
    UNKNOWN = 3  # no failure found, but evidence is incomplete or stale
    UNREACHABLE = 4  # provider unreachable or denied, so that no pair could be judged
    REFUSED = 5  # a guard refused
    PARTIAL = 6  # apply partly done, resumable
    BUG = 70  # EX_SOFTWARE of sysexits.h
    INTERRUPTED = 130  # 128 + SIGINT
    PIPE_CLOSED = 141  # 128 + SIGPIPE
