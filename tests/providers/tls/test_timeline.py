"""The chain time machine against a model, and against ``openssl verify -attime``, exact to the second.

OpenSSL differs in two documented ways, and nothing else:

1. It takes the last second of a validity for expired, where RFC 5280 §4.1.2.5 includes it. It is therefore shown twins
   of the certificates that end one second later, as measured.
2. It commits to one issuer without trying the others when that leads to an expired authority. Where it refuses and we
   do not, it must accept the very path that we found, shown alone.
"""

import os
import shutil
import subprocess
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from nhisync.spi.x509 import Profile, Span, Trust, TrustStore, Views, build, chain_facts, spans
from nhisync_tls.emulator.pki import pem

from .random_pki import LENGTH, START, Cert, Plan, prolonged, random_plan, signed

SEEDS = range(16)
OPENSSL = shutil.which("openssl")
PROFILES = st.sampled_from(list(Profile))


def at(second: int) -> datetime:
    """The instant of a plan's second."""
    return START + timedelta(seconds=second)


@pytest.fixture(scope="module")
def openssl() -> str:
    """The program; its absence is told, and is a failure where continuous integration installed it."""
    if OPENSSL is None:
        assert os.environ.get("NHISYNC_OPENSSL") != "required", "the openssl program is missing"
        pytest.skip("the openssl program is not installed: the differential test of chains is NOT run")
    return OPENSSL


def accepts(
    openssl: str, folder: Path, leaf: x509.Certificate, others: list[x509.Certificate], roots: list[x509.Certificate]
) -> "Verifier":
    """A verifier of these certificates."""
    for name, certificates in (("leaf", [leaf]), ("others", others), ("roots", roots)):
        (folder / f"{name}.pem").write_bytes(pem(*certificates))
    more = ["-untrusted", str(folder / "others.pem")] if others else []
    roots_file, leaf_file = str(folder / "roots.pem"), str(folder / "leaf.pem")
    return Verifier([openssl, "verify", "-purpose", "sslserver", *more, "-CAfile", roots_file, leaf_file])


class Verifier:
    """``openssl verify`` of one set of certificates."""

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def holds(self, instant: datetime) -> bool:
        """Whether it accepts the chain at `instant`; anything but a verdict fails the test."""
        moment = ["-attime", str(int(instant.timestamp()))]
        command = [*self.command[:2], *moment, *self.command[2:]]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode in (0, 2), done.stderr
        return done.returncode == 0


@pytest.fixture(scope="module")
def lag(openssl: str, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many seconds earlier than RFC 5280 this OpenSSL ends a validity (deviation 1)."""
    root, leaf = Cert("Root A", "Root A", 0, LENGTH), Cert("leaf.example.com", "Root A", 10, 20, None, 2)
    verifier = accepts(openssl, tmp_path_factory.mktemp("lag"), signed(leaf), [], [signed(root)])
    verdicts = [second for second in (9, 10, 19, 20, 21) if verifier.holds(at(second))]
    assert verdicts in ([10, 19], [10, 19, 20]), "OpenSSL's bounds of validity are of a third kind"
    chain, trust = [signed(leaf)], Trust(roots=(signed(root),))
    assert [s for s in (9, 10, 19, 20, 21) if build(chain[0], (), trust, at(s))] == [10, 19, 20]
    return 0 if 20 in verdicts else 1


@pytest.mark.requirement("R30")
@pytest.mark.parametrize("seed", SEEDS)
def test_every_second_agrees_with_openssl(openssl: str, lag: int, tmp_path: Path, seed: int) -> None:
    """At every second at which an answer can change, and beside it, nhisync and OpenSSL must say the same."""
    plan = random_plan(seed)
    twins = {signed(one): signed(one, longer=lag) for one in (plan.leaf, *plan.served, *plan.roots)}
    leaf, others, trust = _shown(plan)
    theirs = accepts(openssl, tmp_path, twins[leaf], [twins[o] for o in others], [twins[r] for r in trust.roots])
    for second in plan.instants:
        path = build(leaf, others, trust, at(second))
        if theirs.holds(at(second)) == bool(path):
            continue
        assert path, f"OpenSSL accepts at second {second}, nhisync does not"
        alone = tmp_path / str(second)
        alone.mkdir()
        whole = [twins[one] for one in path]
        assert accepts(openssl, alone, whole[0], whole[1:-1], whole[-1:]).holds(at(second))  # deviation 2


def test_the_random_plans_are_worth_asking() -> None:
    """The plans must have paths that begin, end, follow one another and have gaps; else agreement means nothing."""
    changes = [_changes(random_plan(seed)) for seed in SEEDS]
    assert sum(count >= 2 for count in changes) >= len(SEEDS) // 3
    assert any(count == 0 for count in changes)
    assert any(len(set(random_plan(seed).paths())) > 1 for seed in SEEDS)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), profile=PROFILES)
def test_every_second_agrees_with_the_model(seed: int, profile: Profile) -> None:
    """A path builds exactly when the plan has one all of whose certificates are valid, both ends included."""
    plan = random_plan(seed)
    leaf, others, trust = _shown(plan, profile)
    found = {second: bool(build(leaf, others, trust, at(second))) for second in plan.instants}
    assert found == {second: plan.holds(second) for second in plan.instants}


@pytest.mark.requirement("R30")
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), now=st.integers(0, LENGTH))
def test_the_first_failing_second_and_its_culprit(seed: int, now: int) -> None:
    """The first second without a path is the model's; its culprit ends just before, and a longer life would help."""
    plan = random_plan(seed)
    leaf, others, trust = _shown(plan)
    found = spans(leaf, others, trust, at(now) + timedelta(microseconds=999_999))
    edges = sorted({now, *(second for second in plan.instants if second >= now)})
    expected = next(second for second in edges if not plan.holds(second))
    if expected == now:
        assert found == ()
        return
    assert [one.begins for one in found] == [at(now), *(one.ends + timedelta(seconds=1) for one in found[:-1])]
    assert found[-1].ends + timedelta(seconds=1) == at(expected)
    culprit = next(c for c in (plan.leaf, *plan.served, *plan.roots) if signed(c).serial_number == _serial(found[-1]))
    assert culprit.ends == expected - 1
    assert found[-1].role == _role(plan, culprit)
    assert prolonged(plan, culprit).holds(expected)


def test_each_store_has_an_end_of_its_own() -> None:
    """Old clients that know one root must be told apart from new ones that know the root that takes over."""
    old, new = Cert("Root A", "Root A", 0, 300), Cert("Root B", "Root B", 0, 900, None, 2)
    by_old, by_new = Cert("CA 1", "Root A", 0, 400, None, 3), Cert("CA 1", "Root B", 0, 500, None, 4)
    leaf = Cert("leaf.example.com", "CA 1", 0, 950, None, 5)
    both = Trust(roots=(signed(old), signed(new)))
    stores = {
        "client:old": TrustStore(trust=Trust(roots=(signed(old),))),
        "client:none": TrustStore(trust=None, problem="client_trust none cannot be read"),
        "system": TrustStore(trust=Trust(roots=(signed(Cert("Root C", "Root C", 0, 900, None, 6)),))),
    }
    served = [signed(one) for one in (leaf, by_old, by_new)]
    chain = chain_facts(served, both, name="", now=at(100), views=Views(stores=stores))
    own, aged, unusable, strange = chain.outlooks
    assert (own.store, own.fails_at, own.culprit, own.role) == ("own", at(501), "CN=CA 1,O=Example", "intermediate")
    assert (aged.fails_at, aged.culprit, aged.role) == (at(301), "CN=Root A,O=Example", "anchor")
    assert aged.accepts == (aged.anchor,)
    assert own.accepts == ()
    assert (unusable.fails_at, unusable.problem) == (None, "client_trust none cannot be read")
    assert (strange.fails_at, strange.culprit, strange.anchor) == (None, "", "")


def _shown(plan: Plan, profile: Profile = Profile.WEB) -> tuple[x509.Certificate, list[x509.Certificate], Trust]:
    roots = tuple(signed(one) for one in plan.roots)
    return signed(plan.leaf), [signed(one) for one in plan.served], Trust(roots=roots, profile=profile)


def _changes(plan: Plan) -> int:
    verdicts = [plan.holds(second) for second in plan.instants]
    return sum(a != b for a, b in pairwise(verdicts))


def _serial(span: Span) -> int:
    return span.culprit.serial_number


def _role(plan: Plan, culprit: Cert) -> str:
    if culprit == plan.leaf:
        return "leaf"
    return "anchor" if culprit in plan.roots else "intermediate"
