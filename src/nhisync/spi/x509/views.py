"""With what a chain is looked at besides the source's own trust: other trust stores, and revocation lists."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from nhisync.spi.errors import ProviderError
from nhisync.spi.protocols import Check, CheckState
from nhisync.spi.settings import SYSTEM_TRUST
from nhisync.spi.x509.facts import PARSE_ERRORS, quiet
from nhisync.spi.x509.paths import Profile, Trust
from nhisync.spi.x509.pem import blocks
from nhisync.spi.x509.trust import configured, load_trust

CLIENT = "client:"
"""Begins the names of stores that are client bundles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """One trust store.

    Attributes:
        trust: roots, intermediates, profile; None = it cannot be used.
        problem: why it cannot, or "".
    """

    trust: Trust | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationLists:
    """The configured lists (CRLs).

    Attributes:
        lists: those that can be read.
        problem: why some cannot, or "".
    """

    lists: tuple[x509.CertificateRevocationList, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """All of it.

    Attributes:
        stores: ``system`` and ``client:<name>``, in the order in which they are told.
        revocation: None = no list is configured, and nothing is said about revocation.
    """

    stores: Mapping[str, TrustStore] = field(default_factory=dict)
    revocation: RevocationLists | None = None


NO_VIEWS: Final = Views()
"""The source's own trust is all there is."""


def load_views(
    clients: Mapping[str, Path],
    crl_files: Iterable[Path],
    resolve: Callable[[Path], Path],
    profile: Profile,
    *,
    system: bool,
) -> Views:
    """Read what is configured; what cannot be used has its reason in place of its content.

    Args:
        clients: name of a group of clients → its PEM bundle, or ``system``.
        crl_files: PEM or DER files of revocation lists. Nothing is ever fetched: the address in a certificate is a
            stranger's.
        resolve: makes a configured path absolute.
        profile: rules for the clients' bundles; the system's roots follow those of public authorities.
        system: whether the operating system's roots are one of the stores.
    """
    stores = {SYSTEM_TRUST: _store(None, SYSTEM_TRUST, Profile.WEB)} if system else {}
    for name, file in sorted(clients.items()):
        here, rules = (None, Profile.WEB) if str(file) == SYSTEM_TRUST else (resolve(file), profile)
        stores[f"{CLIENT}{name}"] = _store(here, name, rules)
    files = [resolve(file) for file in crl_files]
    return Views(stores=stores, revocation=_lists(files) if files else None)


def _store(file: Path | None, name: str, profile: Profile) -> TrustStore:
    try:
        return TrustStore(trust=load_trust(file, None, profile).trust)
    except ProviderError as failure:
        return TrustStore(trust=None, problem=failure.message.replace("trust_file", f"client_trust {name}"))


def _lists(files: Iterable[Path]) -> RevocationLists:
    found: list[x509.CertificateRevocationList] = []
    problems: list[str] = []
    for number, file in enumerate(files, 1):
        try:
            content = configured(file, f"file {number} of crl_files")
        except ProviderError as failure:
            problems.append(failure.message)
            continue
        try:
            found += decode_lists(content)
        except ValueError:
            problems.append(f"file {number} of crl_files holds no revocation list that can be parsed")
    return RevocationLists(lists=tuple(found), problem="; ".join(problems))


def examine_views(views: Views, now: datetime) -> Iterator[Check]:
    """What `nhisync doctor` says of client bundles and revocation lists; nothing when none are configured."""
    for name, store in views.stores.items():
        if name.startswith(CLIENT):
            yield _bundle(name.removeprefix(CLIENT), store)
    given = views.revocation
    if given is None:
        return
    fix = "Fetch the lists again, PEM or DER, and see why the timer that fetches them did not."
    ended = [one for one in given.lists if one.next_update_utc is not None and one.next_update_utc < now]
    observed = given.problem or f"{len(given.lists)} lists, {len(ended)} of them ended"
    state = CheckState.FAILED if given.problem else CheckState.WARNING if ended else CheckState.OK
    yield Check(name="crl_files", state=state, observed=observed, fix="" if state is CheckState.OK else fix)


def _bundle(name: str, store: TrustStore) -> Check:
    label = f"client_trust:{name}"
    if store.trust is None:
        fix = "client_trust needs PEM files with the roots of these clients, or the word system."
        return Check(name=label, state=CheckState.FAILED, observed=store.problem, fix=fix)
    return Check(name=label, state=CheckState.OK, observed=f"{len(store.trust.roots)} roots")


def decode_lists(content: bytes) -> list[x509.CertificateRevocationList]:
    """Every ``X509 CRL`` block of a PEM text, or the one list of a DER file.

    Raises:
        ValueError: there is none, or one of them cannot be parsed; the message never quotes them.
    """
    given = [block.whole for block in blocks(content, b"X509 CRL")]
    with quiet():
        try:
            found = [x509.load_pem_x509_crl(block) for block in given] or [x509.load_der_x509_crl(content)]
            for one in found:
                _ = (one.issuer, one.last_update_utc, one.next_update_utc)
        except PARSE_ERRORS:
            raise ValueError("no revocation list that can be parsed") from None
    return found
