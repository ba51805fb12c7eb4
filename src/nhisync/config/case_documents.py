"""Documents of table tests of policies: sample facts of a pair and what a tier must say about them."""

from typing import Annotated, Literal, TypeVar

from pydantic import Field

from nhisync.config.fields import Code, NonEmpty, PositiveSpan, Span, Strict, Word
from nhisync.model import CredentialState, Lifecycle, Presence

W = TypeVar("W")
_OneOf = Annotated[W, Field(strict=False)]


class SideDocument(Strict):
    """Sample facts of one side, relative to the moment of the test. What is left out is not known."""

    presence: _OneOf[Presence] = Field(default=Presence.PRESENT, description="What the observation says.")
    lifecycle: _OneOf[Lifecycle] = Field(default=Lifecycle.OWN, description="Who can rotate it on this side.")
    state: _OneOf[CredentialState] | None = Field(default=None, description="State of the current version.")
    created_ago: Span | None = Field(default=None, description="Age of the item.")
    rotated_ago: Span | None = Field(default=None, description="Age of the current generation.")
    expires_in: Span | None = Field(default=None, description="Time until it ends.")
    expired_ago: PositiveSpan | None = Field(default=None, description="Time since it ended, instead of expires_in.")
    next_rotation_in: Span | None = Field(default=None, description="Time until the provider rotates it.")
    pending_for: Span | None = Field(default=None, description="Age of an unfinished rotation.")
    rotation_enabled: bool | None = Field(default=None, description="Whether its rotation schedule runs.")
    interval: PositiveSpan | None = Field(default=None, description="Time between two rotations.")
    owner: str | None = Field(default=None, description='Owner tag; "" = none is set.')
    observed_ago: Span | None = Field(default=None, description="Age of the observation; fresh without it.")


class GivenDocument(Strict):
    """Sample facts of a pair. A side that is left out has no row at all."""

    primary: SideDocument | None = Field(default=None, description="Facts of the primary's side.")
    backup: SideDocument | None = Field(default=None, description="Facts of the backup's side.")


class ExpectDocument(Strict):
    """What must come out."""

    severity: Literal["error", "warning", "info", "off"] | None = Field(
        default=None, description="Severity of the rule in this tier; `off` = it is not asked."
    )
    state: Literal["pass", "fail", "unknown", "none"] | None = Field(
        default=None, description="Result of the rule on the given facts; `none` = it does not apply."
    )
    value: str | int | float | bool | None = Field(default=None, description="Effective value of `key`.")


class CaseDocument(Strict):
    """One row of the table."""

    name: NonEmpty = Field(description="What the row proves.", examples=["a lag of 25 hours blocks"])
    tier: Word = Field(description="Tier that is asked.")
    code: Code | None = Field(default=None, description="Rule that is asked.")
    key: NonEmpty | None = Field(
        default=None, description="Dotted policy key that is asked.", examples=["evaluate.every"]
    )
    given: GivenDocument | None = Field(default=None, description="Sample facts, for `expect.state`.")
    expect: ExpectDocument = Field(description="What must come out.")


class CasesDocument(Strict):
    """Table tests of policies."""

    version: Literal[1] = Field(description="Version of this format.")
    cases: Annotated[list[CaseDocument], Field(min_length=1)] = Field(description="Rows of the table.")
