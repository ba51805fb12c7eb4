"""Services that speak REST with JSON bodies: which operation a method and a path mean.

The routes are those of botocore's service model.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote

from botocore.model import ServiceModel

REST_SERVICES = frozenset({"rolesanywhere"})
_LABEL = re.compile(r"\\{(\w+)\\}")


def route(model: ServiceModel, method: str, path: str) -> tuple[str, Mapping[str, str]]:
    """Operation and path parameters; "" when the service has no such route."""
    for operation, verb, pattern in _routes(model):
        found = pattern.fullmatch(path.partition("?")[0])
        if found and verb == method:
            return operation, {name: unquote(value) for name, value in found.groupdict().items()}
    return "", {}


@lru_cache(maxsize=8)
def _routes(model: ServiceModel) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    return tuple(
        (name, http["method"], re.compile(_LABEL.sub(r"(?P<\1>[^/]+)", re.escape(http["requestUri"]))))
        for name in model.operation_names
        for http in [model.operation_model(name).http]
    )
