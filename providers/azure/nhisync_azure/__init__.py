"""The azure provider; its SDKs are imported when the provider is, not when its documents or its emulator are."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nhisync_azure.provider import AzureProvider
    from nhisync_azure.settings import AzureSettings

__all__ = ["AzureProvider", "AzureSettings"]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562)."""
    if name == "AzureProvider":
        from nhisync_azure.provider import AzureProvider  # noqa: PLC0415 - azure-core comes with it

        return AzureProvider
    if name == "AzureSettings":
        from nhisync_azure.settings import AzureSettings  # noqa: PLC0415 - goes with the provider

        return AzureSettings
    raise AttributeError(name)
