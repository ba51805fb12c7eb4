"""What the sync process tells the listener: values, canonical bytes, and when they still count (pure)."""

from nhisync.statement.codec import LARGEST, StatementError, encode, parse
from nhisync.statement.compose import blocked, compose
from nhisync.statement.objections import Against, Objection, objection_in, restricted, written
from nhisync.statement.publication import (
    BLOCK_WORDS,
    SCHEMA_VERSION,
    Publication,
    Role,
    Signal,
    SignalState,
)
from nhisync.statement.validity import FUTURE_TOLERANCE, Decision, Moment, Window, admit, decide, next_sequence, word_of
from nhisync.statement.words import attestation_in, document_of

__all__ = [
    "BLOCK_WORDS",
    "FUTURE_TOLERANCE",
    "LARGEST",
    "SCHEMA_VERSION",
    "Against",
    "Decision",
    "Moment",
    "Objection",
    "Publication",
    "Role",
    "Signal",
    "SignalState",
    "StatementError",
    "Window",
    "admit",
    "attestation_in",
    "blocked",
    "compose",
    "decide",
    "document_of",
    "encode",
    "next_sequence",
    "objection_in",
    "parse",
    "restricted",
    "word_of",
    "written",
]
