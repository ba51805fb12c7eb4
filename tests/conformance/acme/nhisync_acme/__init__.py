"""A third party's provider: keys of the fictional Acme service. Its distribution is made by the tests beside it."""

from nhisync_acme.provider import AcmeProvider, AcmeSettings

__all__ = ["AcmeProvider", "AcmeSettings"]
