"""IAM's credential report: all users in one answer, without key ids, and up to four hours old (IAM user guide)."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nhisync.spi import ErrorKind, ProviderError
from nhisync.spi.oddities import ODD
from nhisync_aws.errors import Called, malformed
from nhisync_aws.run import Run

FRESH_FOR = timedelta(hours=4, minutes=10)
"""AWS makes a new report at most every four hours; an older one means that making it fails."""

_POLLS = 15
_PAUSE = 2.0
_CALLED = Called("iam:GetCredentialReport", 200)
_NEVER = frozenset({"", "N/A", "no_information", "not_supported"})


@dataclass(frozen=True, slots=True)
class Slot:
    """One of a user's two key slots.

    Attributes:
        active: the key may be used.
        created: when the key was made (a key is never rotated in place); None = the slot is empty.
        used: last use.
        service: service of the last use.
        region: region of the last use.
    """

    active: bool
    created: datetime | None
    used: datetime | None
    service: str
    region: str


@dataclass(frozen=True, slots=True)
class ReportUser:
    """One row."""

    name: str
    arn: str
    created: datetime | None
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class CredentialReport:
    """The report with its age.

    Attributes:
        generated: when AWS made it.
        users: name → row; users without any key are left out.
    """

    generated: datetime
    users: Mapping[str, ReportUser]


def fetch(run: Run) -> CredentialReport:
    """Ask for a report, wait for it where it has to be made, and read it.

    Raises:
        ProviderError: why there is none.
    """
    connection, budget = run.connection, run.budget
    refused: ProviderError | None = None
    try:
        connection.require("iam", "GenerateCredentialReport", budget, "State")
    except ProviderError as error:
        if error.kind not in {ErrorKind.DENIED, ErrorKind.THROTTLED, ErrorKind.QUOTA}:
            raise
        # Somebody else's report may still be there and young enough.
        refused = error
    for poll in range(_POLLS):
        try:
            report = _read(connection.call("iam", "GetCredentialReport", budget))
        except ProviderError as error:
            if error.kind is not ErrorKind.CONFLICT or poll == _POLLS - 1:
                raise
        else:
            if refused is not None:
                run.miss("access-key", refused)
            return report
        budget.check()
        run.context.clock.sleep(_PAUSE)
    raise malformed(_CALLED, "the report is never finished")


def _read(answer: Mapping[str, object]) -> CredentialReport:
    content, generated = answer.get("Content"), answer.get("GeneratedTime")
    if not isinstance(content, bytes) or not isinstance(generated, datetime):
        raise malformed(_CALLED, "the answer holds no report")
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
        users = [_user(row) for row in rows]
    except (csv.Error, *ODD):
        raise malformed(_CALLED, "the report cannot be read") from None
    if not rows:
        raise malformed(_CALLED, "the report holds no row, not even the root account's")
    kept = {user.name: user for user in users if any(slot.created or slot.active for slot in user.slots)}
    return CredentialReport(generated.astimezone(UTC), kept)


def _user(row: Mapping[str, str]) -> ReportUser:
    return ReportUser(
        name=row["user"],
        arn=row["arn"],
        created=_instant(row["user_creation_time"]),
        slots=tuple(_slot(row, number) for number in (1, 2)),
    )


def _slot(row: Mapping[str, str], number: int) -> Slot:
    prefix = f"access_key_{number}"
    return Slot(
        active=row[f"{prefix}_active"].lower() == "true",
        created=_instant(row[f"{prefix}_last_rotated"]),
        used=_instant(row[f"{prefix}_last_used_date"]),
        service=row[f"{prefix}_last_used_service"],
        region=row[f"{prefix}_last_used_region"],
    )


def _instant(text: str) -> datetime | None:
    return None if text in _NEVER else datetime.fromisoformat(text).astimezone(UTC)
