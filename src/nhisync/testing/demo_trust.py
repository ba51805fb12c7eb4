"""What clients of payments trust, and what its authorities have revoked: stories of chains that build."""

from typing import Any

from nhisync.testing.demo_parts import DAY, pair, plant, tls

TRUST_SOURCES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("partner", {"authority": "Partner", "client_trust": {"terminals": "Demo"}, "lists_end": 1 * DAY}),
    ("listed", {"lists_end": 30 * DAY}),
    ("forgotten", {"lists_end": -1 * DAY}),
)
"""Endpoints of the backup whose clients' bundles and revocation lists are configured."""

TRUST = (
    pair(
        "pos-tls",
        "certificate",
        tls("pos.pay.example.com"),
        tls("pos-b", source="partner", server_name="pos.pay.example.com"),
        "The backup's root is not in the card terminals; the lists of its authority end tomorrow.",
        "NHS611",
        "NHS607",
        "NHS614",
    ),
    pair(
        "dispute-tls",
        "certificate",
        tls("dispute.pay.example.com"),
        tls("dispute-b", source="listed", server_name="dispute.pay.example.com", revoked=True),
        "Its authority revoked the backup's certificate, and nobody replaced it.",
        "NHS612",
    ),
    pair(
        "batch-tls",
        "certificate",
        tls("batch.pay.example.com"),
        tls("batch-b", source="forgotten", server_name="batch.pay.example.com"),
        "The timer that fetches revocation lists stopped: the last one ended yesterday.",
        "NHS613:unknown",
    ),
    pair(
        "broker-ca",
        "trust-bundle",
        plant("files", "pem", "broker-ca.pem", owner=None, chain="two_roots"),
        plant("files", "pem", "broker-ca.pem", owner=None, chain="bundle"),
        "The new root of the brokers never reached the backup.",
        "NHS615",
    ),
)
