"""Public PEM of a certificate into the item's chain, ids and dates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cryptography import x509

from nhisync.spi import Chain, Item, Moment
from nhisync.spi.x509 import MalformedError, chain_facts, decode_pem, public_ids, purpose_of, state_at, text
from nhisync_aws.run import Run, marker


def judged_by(run: Run, item: Item) -> Item:
    """`item` with a marker that changes with the roots, too: what was verified with others is verified again."""
    return replace(item, marker=marker(item.marker, run.judging.mark))


def described(
    run: Run,
    item: Item,
    *,
    leaf: str,
    chain: str,
    tags: Iterable[Mapping[str, Any]] | None,
    issued_by_aws: bool = False,
) -> Item:
    """`item` with what its PEM and tags say; a PEM that cannot be read is a chain with a problem, not a lost item.

    Args:
        run: the run.
        item: what the list says.
        leaf: PEM of the certificate.
        chain: PEM of what stands behind it.
        tags: AWS's tag list.
        issued_by_aws: a public certificate of ACM's own, whose chain nobody else put together.
    """
    known = run.tags(tags)
    tagged = replace(item, owner=known.owner, logical_name=known.logical_name)
    try:
        certificates = decode_pem(f"{leaf}\n{chain}".encode())
    except MalformedError:
        return replace(tagged, chain=Chain(certificates=(), problem="the PEM that AWS returned cannot be read"))
    if not certificates:
        return tagged
    first = certificates[0]
    return replace(
        tagged,
        version=format(first.serial_number, "x"),
        state=state_at(first, run.now) if item.state is None else item.state,
        not_before=Moment(first.not_valid_before_utc),
        expires=Moment(first.not_valid_after_utc),
        ids=public_ids(first),
        chain=_verified(run, certificates, issued_by_aws=issued_by_aws),
    )


def _verified(run: Run, certificates: Sequence[x509.Certificate], *, issued_by_aws: bool) -> Chain:
    """The chain, verified with the run's roots.

    Behind the root that clients trust AWS still hands out that root as an older one signed it, for old trust stores
    (ACM user guide, "Amazon Trust Services"). In its own certificates nobody can leave that out, so it is no surplus.
    """
    trust, leaf = run.judging.trust, certificates[0]
    found = chain_facts(certificates, trust, name="", now=run.now, purpose=purpose_of(leaf))
    if issued_by_aws and found.builds:
        behind = next((i for i, one in enumerate(certificates) if i and _subject(one) == found.anchor), None)
        if behind is not None:
            found = chain_facts(certificates[:behind], trust, name="", now=run.now, purpose=purpose_of(leaf))
    return replace(found, problem=found.problem or run.judging.problem)


def _subject(certificate: x509.Certificate) -> str:
    return text(certificate.subject.rfc4514_string())
