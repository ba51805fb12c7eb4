"""Public PEM of a certificate into the item's chain, ids and dates."""

from dataclasses import replace

from nhisync.spi import Chain, Item, Moment
from nhisync.spi.x509 import MalformedError, chain_facts, decode_pem, public_ids, state_at
from nhisync_gcp.run import Run


def described(run: Run, item: Item, pem: str) -> Item:
    """`item` with what its PEM says; a PEM that cannot be read is a chain with a problem, not a lost item."""
    try:
        certificates = decode_pem(pem.encode())
    except MalformedError:
        return replace(item, chain=Chain(certificates=(), problem="the PEM that Google returned cannot be read"))
    if not certificates:
        return item
    leaf = certificates[0]
    return replace(
        item,
        version=format(leaf.serial_number, "x"),
        state=state_at(leaf, run.now) if item.state is None else item.state,
        not_before=Moment(leaf.not_valid_before_utc),
        expires=Moment(leaf.not_valid_after_utc),
        ids=public_ids(leaf),
        chain=chain_facts(certificates, None, name="", now=run.now),
    )
