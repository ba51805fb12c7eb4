"""Which names a certificate covers, after RFC 9525 (which replaced RFC 6125)."""

from collections.abc import Iterable
from ipaddress import ip_address


def uncovered(wanted: Iterable[str], offered: Iterable[str]) -> list[str]:
    """Names in `wanted` that no name in `offered` covers, in the order of `wanted`."""
    held = [_canonical(name) for name in offered]
    return [name for name in wanted if not any(_covers(one, _canonical(name)) for one in held)]


def is_address(name: str) -> bool:
    """Whether `name` is an IPv4 or IPv6 address."""
    try:
        ip_address(name.strip())
    except ValueError:
        return False
    return True


def _covers(offered: str, wanted: str) -> bool:
    """Whether the presented identifier `offered` covers `wanted` (both canonical).

    RFC 9525 §6.3: a wildcard is the complete left-most label and stands for exactly one label; it never covers an
    address, nor the domain itself. A wanted wildcard is only covered by the same wildcard.
    """
    if offered == wanted:
        return True
    if not offered.startswith("*.") or wanted.startswith("*") or is_address(wanted):
        return False
    label, dot, parent = wanted.partition(".")
    return bool(label and dot) and parent == offered[2:]


def _canonical(name: str) -> str:
    """Lower case, without the root's dot; addresses in their shortest form."""
    text = name.strip().lower()
    try:
        return str(ip_address(text))
    except ValueError:
        return text.removesuffix(".")
