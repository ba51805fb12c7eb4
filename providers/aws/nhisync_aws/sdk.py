"""Boto3 as nhisync uses it: a session that looks at nothing around it, and that starts and parses quickly."""

import os
import threading
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import boto3.session
import botocore.session
from botocore.loaders import Loader
from botocore.utils import parse_timestamp

SERVICES = ("acm", "cloudtrail", "iam", "kms", "secretsmanager", "ssm", "sts")
"""Services that this adapter calls."""


class _Models(Loader):  # type: ignore[misc]  # botocore ships no types
    """Botocore's own service models; none from the home folder of whoever runs this."""

    def __init__(self) -> None:
        super().__init__([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)

    def list_available_services(self, type_name: str) -> list[str]:
        """Those called here: looking into the folders of all 400 takes longer than the first call."""
        del type_name  # all of them have models of every type
        return list(SERVICES)


MODELS = _Models()
"""Parsed service models: read-only data that every session of the process may share."""


_making = threading.Lock()  # a session of botocore may be used by one thread at a time, its clients by many


def make_client(service: str, **how: Any) -> Any:
    """A boto3 client of `service`; region, endpoint and keys are all in `how`, so that one session serves all sources.

    Raises:
        BotoCoreError: `how` makes no client.
        ValueError: the same.
    """
    with _making:
        return _shared().client(service, **how)


@lru_cache(maxsize=1)
def _shared() -> boto3.session.Session:
    return boto3.session.Session(botocore_session=isolated_session())


def isolated_session() -> botocore.session.Session:
    """A botocore session that reads no profile, no configuration file and no credentials of the surroundings."""
    nowhere = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    session = botocore.session.Session(session_vars=nowhere)
    session.register_component("data_loader", MODELS)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=instant)
    return session


def instant(value: Any) -> datetime:
    """A timestamp of an answer, aware UTC where it says its zone; what is not plain is left to botocore.

    Botocore's own parser asks the local zone about every instant, which takes half the time of a list of secrets.

    Raises:
        ValueError: it is no timestamp.
    """
    try:
        if type(value) in (int, float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str) and value.endswith("Z"):
            return datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        pass
    parsed: datetime = parse_timestamp(value)
    return parsed
