"""The secret's version that is labelled AWSPREVIOUS: read under the document of mode probe, or why not."""

from datetime import timedelta

import pytest

from nhisync.spi import AccessMode, ErrorKind, Locator, ProviderError
from nhisync_aws.emulator.auth import iam

from .conftest import Aws, Source

CANARY = "canary-now-51c0de"


def before(aws: Aws, source: Source, item: Locator) -> dict[str, bytes]:
    """Fields of the version before, under exactly the printed document."""
    (document,) = source.provider().permissions(AccessMode.PROBE, [item], frozenset())
    role = iam(aws.world.account_of("backup", "aws")).get_role("nhisync-backup-aws")
    role.policies.clear()
    role.put_policy("nhisync", document.text)
    return {one.field: one.value.reveal() for one in source.provider().previous(item, source.budget())}


@pytest.mark.requirement("R17", "R42")
def test_the_version_before_is_read(aws: Aws, backup: Source) -> None:
    """Its fields, and none of the current one."""
    item = backup.locator(aws.seed("secret", "pay", rotated=timedelta(days=5), fields={"password": CANARY}))
    assert before(aws, backup, item) == {"password": f"{CANARY}-previous".encode()}


def test_a_secret_that_was_never_rotated_has_none(aws: Aws, backup: Source) -> None:
    """No version holds the label."""
    item = backup.locator(aws.seed("secret", "pay", rotated=None, fields={"password": CANARY}))
    with pytest.raises(ProviderError) as told:
        before(aws, backup, item)
    assert told.value.kind is ErrorKind.NOT_FOUND


def test_other_kinds_have_no_such_label(backup: Source) -> None:
    """Parameters keep a history, and no label that says what was replaced."""
    with pytest.raises(ProviderError) as told:
        list(backup.provider().previous(backup.locator("parameter//pay"), backup.budget()))
    assert told.value.kind is ErrorKind.UNSUPPORTED


def test_without_the_right_nothing_is_read(aws: Aws, backup: Source) -> None:
    """Under the read document the missing action is named."""
    item = backup.locator(aws.seed("secret", "pay", rotated=timedelta(days=5), fields={"password": CANARY}))
    with pytest.raises(ProviderError) as told:
        list(backup.provider().previous(item, backup.budget()))
    assert (told.value.kind, told.value.fact.action) == (ErrorKind.DENIED, "secretsmanager:GetSecretValue")
