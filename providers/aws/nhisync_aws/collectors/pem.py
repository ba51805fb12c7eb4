"""Public PEM of a certificate into the item's chain, ids and dates; the parser is imported by the first one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from nhisync.spi import Chain, Item, Moment
from nhisync_aws.run import Run


def described(run: Run, item: Item, *, leaf: str, chain: str, tags: Iterable[Mapping[str, Any]] | None) -> Item:
    """`item` with what its PEM and tags say; a PEM that cannot be read is a chain with a problem, not a lost item."""
    from nhisync.spi.x509 import MalformedError, chain_facts, decode_pem, public_ids, state_at  # noqa: PLC0415 - see above

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
        chain=chain_facts(certificates, None, name="", now=run.now),
    )
