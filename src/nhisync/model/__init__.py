"""Frozen values that everything else speaks in; no IO, no clock, no SDK."""

from nhisync.model.attestation import ON_CALL, Attestation
from nhisync.model.chain import CertificateFacts, Chain, Outlook, Revocation
from nhisync.model.coverage import Coverage
from nhisync.model.finding import EvidenceRef, Finding, Verdict
from nhisync.model.item import (
    COPY_SCHEMES,
    SHARED_TARGET_SCHEMES,
    Dependency,
    ErrorFact,
    Item,
    Moment,
    PublicId,
    Rotation,
)
from nhisync.model.keyset import KeySet, SignatureKey
from nhisync.model.locator import Locator
from nhisync.model.pair import SIGNING_KEY, App, Lost, MatchRule, Pair, Waiver
from nhisync.model.report import SCHEMA_VERSION, AppReport, Blackout, LayerCount, PathSummary, Report, SourceSummary
from nhisync.model.rights import BOUNDARY, HELD, TRUST, TTL, Effect, Limit, Right, Syntax
from nhisync.model.words import (
    Consequence,
    CoverageStatus,
    CredentialState,
    Layer,
    Lifecycle,
    Mode,
    PairClass,
    Precision,
    Presence,
    Severity,
    Side,
    State,
    Word,
)

__all__ = [
    "BOUNDARY",
    "COPY_SCHEMES",
    "HELD",
    "ON_CALL",
    "SCHEMA_VERSION",
    "SHARED_TARGET_SCHEMES",
    "SIGNING_KEY",
    "TRUST",
    "TTL",
    "App",
    "AppReport",
    "Attestation",
    "Blackout",
    "CertificateFacts",
    "Chain",
    "Consequence",
    "Coverage",
    "CoverageStatus",
    "CredentialState",
    "Dependency",
    "Effect",
    "ErrorFact",
    "EvidenceRef",
    "Finding",
    "Item",
    "KeySet",
    "Layer",
    "LayerCount",
    "Lifecycle",
    "Limit",
    "Locator",
    "Lost",
    "MatchRule",
    "Mode",
    "Moment",
    "Outlook",
    "Pair",
    "PairClass",
    "PathSummary",
    "Precision",
    "Presence",
    "PublicId",
    "Report",
    "Revocation",
    "Right",
    "Rotation",
    "Severity",
    "Side",
    "SignatureKey",
    "SourceSummary",
    "State",
    "Syntax",
    "Verdict",
    "Waiver",
    "Word",
]
