"""A third party's provider: keys of the fictional Initech service. Its distribution is made by the tests beside it."""

from nhisync_initech.provider import InitechProvider, InitechSettings

__all__ = ["InitechProvider", "InitechSettings"]
