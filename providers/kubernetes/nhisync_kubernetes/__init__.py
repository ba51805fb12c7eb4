"""Kubernetes clusters as providers of identities.

`KubernetesProvider` is imported on first use: the emulator beside it needs no HTTP client.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nhisync_kubernetes.provider import KubernetesProvider

__all__ = ["KubernetesProvider"]


def __getattr__(name: str) -> Any:
    """Import the provider, and with it httpx, when it is asked for (PEP 562)."""
    if name == "KubernetesProvider":
        from nhisync_kubernetes.provider import KubernetesProvider  # noqa: PLC0415 - lazily, so that no SDK is needed

        return KubernetesProvider
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
