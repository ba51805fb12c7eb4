"""Kind ``service-account``: IAM service accounts.

An account stores nothing here; its credentials are tokens that end by themselves, after an hour, or after twelve where
the organisation allows it (IAM, "Create short-lived credentials").

IAM is global: sources of one project on both paths see the same accounts, and one account on both paths is one
identity, which its unique id shows.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from nhisync.spi import (
    CredentialState,
    ErrorKind,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Observation,
    Precision,
    ProviderError,
    PublicId,
    Rotation,
)
from nhisync.spi.runs import Sweep
from nhisync_gcp.names import AccountName, parent_of
from nhisync_gcp.permissions import ACCOUNT_KINDS
from nhisync_gcp.run import HOPELESS, Run, attributes, marker

KIND = "service-account"
SCHEME = "service-account"
_LONGEST_TOKEN = timedelta(hours=12)
_PAGE = 100  # the service's limit
_FEW = 1


def collect(run: Run) -> Iterator[Observation]:
    """One list for all; a single read for what a pair names and no list held."""
    directory = directory_of(run)
    for email, account in directory.listed.items():
        if run.asked_for(KIND, email):
            yield from run.row(run.locator(KIND, email), _item, account)
    missing = [locator for name, locator in run.wanted(KIND).items() if name not in directory.listed]
    yield from run.each(missing, lambda locator: _single(run, directory, locator))
    if run.swept(KIND):
        yield run.coverage(KIND, directory.sweep, authoritative=False)


def directory_of(run: Run) -> "Directory":
    """The accounts as the kinds of this run need them; listed once for both."""
    return run.shared("accounts", lambda: Directory(run))


class Directory:
    """The project's accounts, listed when a sweep or several pairs need them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.sweep = Sweep()
        self.listed: dict[str, Any] = {}
        wanted = {name.partition("/")[0] for kind in ACCOUNT_KINDS for name in run.wanted(kind)}
        if len(wanted) > _FEW or any(map(run.swept, ACCOUNT_KINDS)):
            parent = parent_of(run.project)
            rows = run.rows(self.sweep, "iam.list_service_accounts", "accounts", name=parent, page_size=_PAGE)
            self.listed = {row.email: row for row in rows}

    def account(self, name: AccountName) -> Any:
        """The account: as it was listed, else by an authoritative read of its own.

        Raises:
            ProviderError: NOT_FOUND when there is none.
        """
        if name.email in self.listed:
            return self.listed[name.email]
        if self.sweep.error is not None and self.sweep.error.kind in HOPELESS:
            raise self.sweep.error
        account = AccountName(name.email).resource(self._run.project)
        found = self._run.call("iam.get_service_account", name=account)
        if found.email != name.email:
            raise ProviderError(ErrorKind.MALFORMED, "the answer is about another account (iam.get_service_account)")
        return found


def _single(run: Run, directory: Directory, locator: Locator) -> Iterator[Observation]:
    account = directory.account(AccountName.of(locator))
    yield run.known(_item(run, locator, account))


def _item(run: Run, locator: Locator, account: Any) -> Item:
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=account.name,
        lifecycle=Lifecycle.OWN,
        state=CredentialState.SUSPENDED if account.disabled else CredentialState.ACTIVE,
        rotated=Moment(run.now - _LONGEST_TOKEN, Precision.LOWER_BOUND),
        rotation=Rotation(mechanism="tokens"),
        ids=(PublicId(SCHEME, account.unique_id),) if account.unique_id else (),
        # The day keeps `rotated` from growing old in the store while nothing else changes.
        marker=marker(account.name, account.unique_id, account.etag.hex(), account.disabled, run.now.date()),
        attributes=attributes(display_name=account.display_name, project=account.project_id),
    )
