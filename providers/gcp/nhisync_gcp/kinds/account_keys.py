"""Kind ``service-account-key``: user-managed keys of service accounts; an item is an account, generations are its keys.

Keys have no value that could be read again. Their public half is fetched once for each key, so that one key on both
paths is found without any value; a key id never changes what it means, so a second run fetches only new ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.spi import (
    CredentialState,
    ErrorKind,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Observation,
    ProviderError,
    PublicId,
    Rotation,
)
from nhisync.spi.x509 import MalformedError, certificate_facts, decode_pem
from nhisync_gcp.kinds.accounts import SCHEME, Directory, directory_of
from nhisync_gcp.kinds.secret_facts import instant
from nhisync_gcp.names import AccountName, last_of
from nhisync_gcp.run import Run, attributes, marker

KIND = "service-account-key"
_USER_MANAGED, _SYSTEM_MANAGED = 1, 2
_X509_PEM = 1
_FOREVER = 9999
_CLOCKS = timedelta(minutes=2)
"""What Google's clock may be ahead of ours: a key that was just made works at once."""

_SLACK = timedelta(hours=1)
"""A key made with its account is the first generation, not a rotation."""


def collect(run: Run) -> Iterator[Observation]:
    """The accounts, then the keys of each that is asked for: IAM lists keys by account only."""
    directory = directory_of(run)
    names = dict.fromkeys(run.wanted(KIND))
    if run.swept(KIND):
        names |= dict.fromkeys(email for email in directory.listed if run.asked_for(KIND, email))
    locators = [run.locator(KIND, name) for name in names]
    yield from run.each(locators, lambda locator: _keys(run, directory, locator))
    if run.swept(KIND):
        yield run.coverage(KIND, directory.sweep, authoritative=False)


def _keys(run: Run, directory: Directory, locator: Locator) -> Iterator[Observation]:
    name = AccountName.of(locator)
    account = directory.account(name)
    rows = run.call(
        "iam.list_service_account_keys",
        name=AccountName(name.email).resource(run.project),
        key_types=[_USER_MANAGED],
    ).keys
    keys = _user_managed(rows)
    if name.key:
        keys = [row for row in keys if last_of(row.name) == name.key]
        if not keys:  # the list may lag behind
            keys = [_about(name.key, run.call("iam.get_service_account_key", name=name.resource(run.project)))]
    if keys:
        seen = run.known(_item_of(run, locator, account, keys))
        yield _with_ids(run, seen, account, sorted(keys, key=_made)) if isinstance(seen, Item) else seen
    elif locator.name in run.wanted(KIND):
        yield run.absent(locator)


def _user_managed(rows: Sequence[Any]) -> list[Any]:
    """The keys that somebody holds.

    Raises:
        ProviderError: MALFORMED, a row does not say whether it is one; left out, it would look absent.
    """
    if any(int(row.key_type) not in (_USER_MANAGED, _SYSTEM_MANAGED) for row in rows):
        raise ProviderError(ErrorKind.MALFORMED, "a key does not say who manages it (iam.list_service_account_keys)")
    return [row for row in rows if int(row.key_type) == _USER_MANAGED]


def _item_of(run: Run, locator: Locator, account: Any, keys: Sequence[Any]) -> Item:
    """Without the keys' public halves, which cost a call each."""
    ordered = sorted(keys, key=_made)
    active = [key for key in ordered if _works(key, account, run.now)]
    current = (active or ordered)[-1]
    begun, ends = instant(current, "valid_after_time"), _end(current)
    made = [_made(key) for key in active or ordered]
    first = _made(ordered[0])
    # States too: keys begin and end without a trace in the list.
    listed = [(last_of(k.name), _state(k, account, run.now), _made(k), _end(k)) for k in ordered]
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=account.name,
        lifecycle=Lifecycle.OWN,
        state=_state(current, account, run.now),
        version=last_of(current.name),
        created=Moment(first),
        rotated=Moment(max(made)) if max(made) - first > _SLACK else None,
        not_before=None if ends.year >= _FOREVER or begun is None else Moment(begun),
        expires=None if ends.year >= _FOREVER else Moment(ends),
        rotation=_overlap(active),
        marker=marker(account.unique_id, account.disabled, listed),
        attributes=attributes(
            keys=f"{len(active)} active of {len(ordered)}",
            origin="uploaded" if int(current.key_origin) == 1 else None,
        ),
    )


def _with_ids(run: Run, item: Item, account: Any, keys: Sequence[Any]) -> Item:
    """`item` with the account's and the keys' public identities.

    Raises:
        ProviderError: a public key could not be read; an item without it would look like one that shares nothing.
    """
    found = [PublicId(SCHEME, account.unique_id)] if account.unique_id else []
    for key in keys:
        answer = run.call("iam.get_service_account_key", name=key.name, public_key_type=_X509_PEM)
        _about(last_of(key.name), answer)
        found.append(PublicId("spki-sha256", _spki(answer.public_key_data)))
    return replace(item, ids=tuple(found))


def _about(key: str, answer: Any) -> Any:
    """`answer`, when it is about the key.

    Raises:
        ProviderError: MALFORMED, it is about another one.
    """
    if last_of(answer.name) != key:
        raise ProviderError(ErrorKind.MALFORMED, "the answer is about another key (iam.get_service_account_key)")
    return answer


def _spki(pem: bytes) -> str:
    """Digest of the public key in the certificate that IAM answers with.

    Raises:
        ProviderError: MALFORMED, there is none.
    """
    try:
        found = decode_pem(pem)
    except MalformedError:
        found = []
    if not found:
        raise ProviderError(ErrorKind.MALFORMED, "the answer holds no public key (iam.get_service_account_key)")
    return certificate_facts(found[0]).spki_sha256


def _end(key: Any) -> datetime:
    """When a key ends; a far year where nothing ends it (`_FOREVER`).

    Raises:
        ProviderError: MALFORMED, it does not say: Google documents nothing about a key without an end, so it is not
            one that never ends (IAM, ``ServiceAccountKey.valid_before_time``).
    """
    found = instant(key, "valid_before_time")
    if found is None:
        raise ProviderError(ErrorKind.MALFORMED, "a key does not say when it ends (iam.list_service_account_keys)")
    return found


def _made(key: Any) -> datetime:
    return instant(key, "valid_after_time") or datetime.min.replace(tzinfo=UTC)


def _works(key: Any, account: Any, now: datetime) -> bool:
    return _state(key, account, now) is CredentialState.ACTIVE


def _state(key: Any, account: Any, now: datetime) -> CredentialState:
    """A key works while it and its account are enabled and its time lasts; an uploaded one may begin later."""
    if _end(key) <= now:
        return CredentialState.DEACTIVATED
    if key.disabled or account.disabled:
        return CredentialState.SUSPENDED
    return CredentialState.PRE_ACTIVATION if _made(key) > now + _CLOCKS else CredentialState.ACTIVE


def _overlap(active: Sequence[Any]) -> Rotation:
    """IAM has no schedule; two active keys are a rotation that nobody finished."""
    if len(active) < 2:
        return Rotation()
    return Rotation(mechanism="two keys", pending_since=_made(active[-1]), pending_version=last_of(active[-1].name))
