"""``POST /v1/attestations/{app}/{kind}``: what a body says, and who answers for it."""

from typing import Final

from nhisync.app.attest import accepted
from nhisync.app.objections import MOST, folder_of, say, standing
from nhisync.app.payload import claim_of, members
from nhisync.app.session import Session
from nhisync.app.signed import SIGNED_BY, verified
from nhisync.app.spool import SUFFIX, lay
from nhisync.errors import StoreError, UsageError, fix_of_write
from nhisync.model import Attestation
from nhisync.statement import Objection

SIGNED: Final = "application/jose"
"""Media type of a compact JWS (RFC 7515 section 9.2.1)."""

SPOKEN: Final = "application/json"
MEDIA: Final = (SPOKEN, SIGNED)


def posted(session: Session, app: str, kind: str, media: str, body: bytes, *, peer: str) -> tuple[Attestation, str]:
    """The attestation that was posted to (`app`, `kind`), not yet checked against its tier, and the actor.

    Args:
        session: whose apps and attesters count.
        app: of the address.
        kind: of the address.
        media: one of `MEDIA`.
        body: a signed attestation, or the payload of one; the address stands for its ``app`` and ``kind``.
        peer: where the authenticated request came from.

    Raises:
        UsageError: it is none, speaks about something else than its address, or claims a signature that it lacks.
    """
    if media == SIGNED:
        claim, signer = verified(session, body)
        if (claim.app, claim.kind) != (app, kind):
            told = "what was signed speaks about another app or kind than its address"
            raise UsageError(told, fix=f"Post it to /v1/attestations/{claim.app}/{claim.kind}.")
        return claim, f"attester {signer}"
    try:
        said = members(body, {"app": app, "kind": kind})
    except ValueError as why:
        fix = "A JSON object of texts: result, observed_at and by; path and evidence where they help."
        raise UsageError(f"this is no attestation: its body {why}", fix=fix) from None
    claim = claim_of(session, said, by="")
    if claim.attested_by in session.configuration.attesters or SIGNED_BY in claim.attested_by:
        told = f"`by` says that an attester signed this, and it came as {SPOKEN}"
        raise UsageError(told, fix=f"Name who speaks; what an attester signed is sent as {SIGNED}.")
    return claim, f"operator at {peer}"


def deliver(session: Session, claim: Attestation, *, actor: str) -> Attestation:
    """Tell the process that keeps the store; returns the attestation as it will be recorded, durable by then.

    What does not hold is heard by the listener at once, everything else counts from the next cycle.

    Raises:
        UsageError: it is not asked for, or not sound (`nhisync.app.attest.accepted`).
        StoreError: it cannot be written, or too many words wait already; nothing was said.
    """
    claim = accepted(session, claim)
    if claim.holds:
        lay(session, claim, actor=actor)
        return claim
    publication = session.configuration.publish.snapshot
    said = standing(publication)
    if len(said.said) >= MOST and (claim.app, claim.path) in said.against.places:  # one more would block every backup
        told = f"nothing was said: {claim.app}/{claim.path} is blocked already, and {MOST} objections wait"
        raise StoreError(told, fix="See why no cycle takes them: nhisync status, and the log of nhisync serve.")
    try:
        say(publication, Objection(claim, actor), f"{session.randomness.hex(8)}{SUFFIX}")
    except OSError as failure:
        fix = fix_of_write(failure, "Let nhisync's user write beside the publication (publish.files.snapshot).")
        told = f"nothing was said: {folder_of(publication)} cannot be written: {failure.strerror}"
        raise StoreError(told, fix=fix) from None
    return claim
