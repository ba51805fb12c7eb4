"""ACME accounts and renewal information: whether the backup's own issuer would renew its certificates, and when."""

from nhisync_acme.provider import AcmeProvider

__all__ = ["AcmeProvider"]
