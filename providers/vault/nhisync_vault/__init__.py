"""HashiCorp Vault and OpenBao as providers of identities.

`VaultProvider` is imported on first use: the emulator beside it needs no SDK.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nhisync_vault.provider import VaultProvider

__all__ = ["VaultProvider"]


def __getattr__(name: str) -> Any:
    """Import the provider, and with it its SDK, when it is asked for (PEP 562)."""
    if name == "VaultProvider":
        from nhisync_vault.provider import VaultProvider  # noqa: PLC0415 - lazily, so that no SDK is needed

        return VaultProvider
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
