"""Small random authorities, and a model that says from their plan alone when a path exists."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509

from nhisync_tls.emulator.pki import Issued, Shape, issue

START = datetime(2026, 11, 23, tzinfo=UTC)
"""Second zero of every plan."""

LENGTH = 1_000
"""Seconds in which everything happens."""


@dataclass(frozen=True)
class Cert:
    """One planned certificate; times in seconds since `START`, both ends included.

    Attributes:
        name: subject; equal names share one key, hence cross-signing.
        issuer: subject of the issuer; a root's is its own.
        begins: first second.
        ends: last second.
        path_length: basicConstraints path length of an authority, or None.
        serial: serial number.
    """

    name: str
    issuer: str
    begins: int
    ends: int
    path_length: int | None = None
    serial: int = 1

    @property
    def is_root(self) -> bool:
        """Whether it is signed by itself."""
        return self.name == self.issuer


@dataclass(frozen=True)
class Plan:
    """A public key infrastructure: the leaf, what is served with it in this order, and the trusted roots."""

    leaf: Cert
    served: tuple[Cert, ...]
    roots: tuple[Cert, ...]

    @property
    def instants(self) -> list[int]:
        """Every second at which an answer can change, and the ones before and after it."""
        ends = {edge for one in (self.leaf, *self.served, *self.roots) for edge in (one.begins, one.ends)}
        return sorted({edge + step for edge in ends for step in (-1, 0, 1)})

    def paths(self) -> Iterator[tuple[Cert, ...]]:
        """Every path from the leaf to a root that keeps its path lengths, whatever the time."""
        yield from self._grown((self.leaf,))

    def holds(self, second: int) -> bool:
        """Whether a path exists all of whose certificates are valid at `second`."""
        return any(all(one.begins <= second <= one.ends for one in path) for path in self.paths())

    def _grown(self, path: tuple[Cert, ...]) -> Iterator[tuple[Cert, ...]]:
        below = len(path) - 1  # authorities under the next one
        for one in (*self.served, *self.roots):
            if one.name != path[-1].issuer or one in path or (one.path_length is not None and one.path_length < below):
                continue
            if one in self.roots:
                yield (*path, one)
            else:
                yield from self._grown((*path, one))


def random_plan(seed: int) -> Plan:
    """One to three levels of authorities under two roots: cross-signed, with gaps, early ends, short path lengths."""
    dice = random.Random(seed)
    edges = dice.sample(range(10, LENGTH - 10), 40)
    serials = iter(range(1, 40))

    def cert(name: str, issuer: str, *, length: int | None = None, long: bool = False) -> Cert:
        serial, (begins, ends) = next(serials), sorted((edges.pop(), edges.pop()))
        if long or dice.random() < 0.4:
            begins, ends = -serial, LENGTH + serial
        return Cert(name, issuer, begins, ends, length, serial)

    roots = tuple(cert(name, name, length=dice.choice((None, None, None, 3, 1))) for name in ("Root A", "Root B"))
    above, served = [one.name for one in roots], []
    for level in range(dice.randint(1, 3), 0, -1):
        name = f"CA {level}"
        issuers = dice.sample(above, 2 if len(above) > 1 and dice.random() < 0.8 else 1)
        served += [cert(name, issuer, length=dice.choice((None, None, None, level - 1, 0))) for issuer in issuers]
        above = [*above[-1:], name] if dice.random() < 0.5 else [name]
    leaf = cert("leaf.example.com", above[-1], long=dice.random() < 0.6)
    dice.shuffle(served)
    kept = [one for one in served if dice.random() < 0.93]
    return Plan(leaf, tuple(kept), roots if dice.random() < 0.7 else roots[:1])


@cache
def key_of(name: str) -> Issued:
    """The one key of a name for all tests, in a certificate that is its own issuer."""
    shape = Shape(subject=name, not_before=START, not_after=START + timedelta(days=1), is_ca=True)
    return issue(shape)


@cache
def signed(one: Cert, *, longer: int = 0) -> x509.Certificate:
    """The certificate of a plan, valid for `longer` seconds more."""
    is_ca = not one.name.startswith("leaf")
    shape = Shape(
        subject=one.name,
        not_before=START + timedelta(seconds=one.begins),
        not_after=START + timedelta(seconds=one.ends + longer),
        names=() if is_ca else (one.name,),
        usages=() if is_ca else ("server_auth",),
        reuse_key=key_of(one.name).key,
        serial=one.serial,
        is_ca=is_ca,
        path_length=one.path_length,
    )
    return issue(shape, None if one.is_root else key_of(one.issuer)).certificate


def prolonged(plan: Plan, culprit: Cert) -> Plan:
    """The plan in which `culprit` lives for ever."""
    longer = replace(culprit, ends=10 * LENGTH)

    def of(certs: tuple[Cert, ...]) -> tuple[Cert, ...]:
        return tuple(longer if one == culprit else one for one in certs)

    return Plan(of((plan.leaf,))[0], of(plan.served), of(plan.roots))
