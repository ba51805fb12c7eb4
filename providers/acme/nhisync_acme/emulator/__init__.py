"""An ACME authority on loopback: real TLS, real JWS, RFC 8555 accounts and RFC 9773 renewal information."""

from nhisync_acme.emulator.world import AcmeWorld

__all__ = ["AcmeWorld"]
