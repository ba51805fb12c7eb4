"""Names of objects and namespaces (RFC 1123; kubernetes.io/docs, Object Names and IDs)."""

import re

from nhisync_kubernetes.errors import misconfigured
from nhisync_kubernetes.settings import LABEL

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LONGEST = 253


def split(name: str) -> tuple[str, str]:
    """Namespace and name of a locator.

    Raises:
        ProviderError: MISCONFIGURED when no object can have that name.
    """
    namespace, slash, rest = name.partition("/")
    if slash and LABEL.match(namespace) and len(rest) <= _LONGEST and _NAME.match(rest):
        return namespace, rest
    raise misconfigured(
        "the name is not one that an object in a namespace can have",
        "Write <namespace>/<name>: lower-case letters, digits, hyphens and, in the name, dots.",
    )
