"""Live authentication: one module per kind of service, each of which presents a credential with least harm.

A kind connects, presents, looks at the answer and leaves; it changes nothing that it does not undo. It tells three
things apart: the service accepted the credential, it refused it, or nobody judged it (law 3). An endpoint that lets
everybody in has judged nothing. Values live in the short-lived process of `nhisync.app.probing` alone.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nhisync.probes import amqp, aws_sts, generation, http, kubernetes, oauth, postgres, redis, tcp, tls, vault
from nhisync.probes.order import Kind, Order, Presented, Shown, not_made, refused

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "tcp": tcp.probe,
        "tls": tls.probe,
        "http": http.probe,
        "postgres": postgres.probe,
        "redis": redis.probe,
        "amqp": amqp.probe,
        "aws-sts": aws_sts.probe,
        "vault-token": vault.probe_token,
        "vault-approle": vault.probe_approle,
        "entra-token": oauth.probe_entra,
        "gcp-token": oauth.probe_google,
        "generation": generation.probe,
        "kubernetes-token": kubernetes.probe,
    }
)
"""``type`` of a probe → who makes it; ``generation`` presents nothing and is asked of consumers."""

__all__ = ["KINDS", "Kind", "Order", "Presented", "Shown", "not_made", "refused"]
