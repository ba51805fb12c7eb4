"""TLS endpoints as identities: the chain a client is really served, on each path."""

from nhisync_tls.provider import TlsProvider

__all__ = ["TlsProvider"]
