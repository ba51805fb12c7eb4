"""Frozen values that everything else speaks in; no IO, no clock, no SDK."""

from nhisync.model.attestation import Attestation
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
from nhisync.model.locator import Locator
from nhisync.model.pair import App, MatchRule, Pair, Waiver
from nhisync.model.report import SCHEMA_VERSION, AppReport, Blackout, LayerCount, PathSummary, Report, SourceSummary
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
    "COPY_SCHEMES",
    "SCHEMA_VERSION",
    "SHARED_TARGET_SCHEMES",
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
    "ErrorFact",
    "EvidenceRef",
    "Finding",
    "Item",
    "Layer",
    "LayerCount",
    "Lifecycle",
    "Locator",
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
    "Rotation",
    "Severity",
    "Side",
    "SourceSummary",
    "State",
    "Verdict",
    "Waiver",
    "Word",
]
