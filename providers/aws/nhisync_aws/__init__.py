"""The aws provider; its SDK is imported when the provider is, not when its documents or its emulator are."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nhisync_aws.provider import AwsProvider
    from nhisync_aws.settings import AwsSettings

__all__ = ["AwsProvider", "AwsSettings"]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562)."""
    if name == "AwsProvider":
        from nhisync_aws.provider import AwsProvider  # noqa: PLC0415 - botocore comes with it

        return AwsProvider
    if name == "AwsSettings":
        from nhisync_aws.settings import AwsSettings  # noqa: PLC0415 - goes with the provider

        return AwsSettings
    raise AttributeError(name)
