"""The gcp provider; its SDK is imported when the provider is, not when its documents or its emulator are."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nhisync_gcp.provider import GcpProvider
    from nhisync_gcp.settings import GcpSettings

__all__ = ["GcpProvider", "GcpSettings"]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562)."""
    if name == "GcpProvider":
        from nhisync_gcp.provider import GcpProvider  # noqa: PLC0415 - the SDK comes with it

        return GcpProvider
    if name == "GcpSettings":
        from nhisync_gcp.settings import GcpSettings  # noqa: PLC0415 - goes with the provider

        return GcpSettings
    raise AttributeError(name)
