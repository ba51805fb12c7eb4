"""Public PEM of a certificate into the item's chain, ids and dates."""

from collections.abc import Iterable
from dataclasses import replace

from nhisync.spi import Chain, Item, Moment
from nhisync.spi.x509 import (
    MalformedError,
    Profile,
    Trust,
    chain_facts,
    decode_pem,
    is_root,
    public_ids,
    purpose_of,
    state_at,
)
from nhisync_gcp.run import Run

_NONE = Chain(certificates=(), problem="Google returned no certificate")


def described(run: Run, item: Item, pem: str, authorities: Iterable[str] = ()) -> Item:
    """`item` with what its PEM says; a PEM that cannot be read is a chain with a problem, not a lost item.

    Args:
        run: for the instant of verification.
        item: what is known besides.
        pem: leaf, then its chain.
        authorities: PEM of the authorities that consumers trust; without a root among them nothing is verified.
    """
    try:
        certificates = decode_pem(pem.encode())
        trusted = [one for text in authorities for one in decode_pem(text.encode())]
    except MalformedError:
        return replace(item, chain=Chain(certificates=(), problem="the PEM that Google returned cannot be read"))
    if not certificates:  # without a state nothing else would be judged of it
        return replace(item, chain=_NONE) if item.state is None else item
    leaf = certificates[0]
    roots = tuple(dict.fromkeys(one for one in trusted if is_root(one)))
    # What a client is served ends below the root.
    served = [leaf, *(one for one in certificates[1:] if one not in roots)]
    trust = Trust(roots=roots, profile=Profile.PRIVATE) if roots else None
    return replace(
        item,
        version=format(leaf.serial_number, "x"),
        state=state_at(leaf, run.now) if item.state is None else item.state,
        not_before=Moment(leaf.not_valid_before_utc),
        expires=Moment(leaf.not_valid_after_utc),
        ids=public_ids(leaf),
        chain=chain_facts(served, trust, name="", now=run.now, purpose=purpose_of(leaf)),
    )
