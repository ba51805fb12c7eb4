"""What an inventory costs: calls pinned one by one, pages read ahead by one, an SDK that starts without detours."""

import datetime as dt
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from botocore.loaders import Loader
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import InventoryRequest
from nhisync_aws.collectors import COLLECTORS
from nhisync_aws.sdk import MODELS, SERVICES, instant, isolated_session

SWEPT = "secret access-key certificate"
LISTS = {
    "secretsmanager:ListSecrets": 3,
    "iam:GenerateCredentialReport": 1,
    "iam:GetCredentialReport": 1,
    "iam:GetAccountAuthorizationDetails": 1,
    "acm:ListCertificates": 1,
}


@pytest.fixture
def estate(aws, backup):
    """Two full pages of secrets and a rest, users with keys, certificates."""
    for number in range(205):
        aws.seed("secret", f"pay/svc-{number:03d}")
    for number in range(5):
        aws.seed("access-key", f"svc-{number}")
    for number in range(3):
        aws.seed("certificate", f"h{number}.example.com")
    aws.world.reset_calls()
    return backup


def calls(aws):
    """All calls but those that give the source its keys."""
    return {name: count for name, count in aws.world.calls().items() if not name.startswith("sts:")}


@pytest.mark.requirement("R4b")
def test_a_sweep_is_lists_alone(aws, estate):
    """Hundred secrets a page, three calls for all users, one for all certificates, and nothing per item."""
    seen = estate.see(kinds=SWEPT)
    assert calls(aws) == LISTS
    assert len(seen.items) == 213


@pytest.mark.requirement("R4b")
def test_what_pairs_name_costs_one_call_a_user_and_two_a_certificate(aws, estate):
    """Named items add their own reads and change no list."""
    estate.see("secret/pay/svc-007", "access-key/svc-1", "certificate/h1.example.com", kinds=SWEPT)
    added = {"iam:ListAccessKeys": 1, "acm:GetCertificate": 1, "acm:ListTagsForCertificate": 1}
    assert calls(aws) == {**LISTS, **added}


@pytest.mark.requirement("R4b")
def test_a_second_run_reads_nothing_singly_that_did_not_change(aws, estate):
    """With the markers of the first run only the keys of named users are asked for: no list tells them."""
    named = ("secret/pay/svc-007", "access-key/svc-1", "certificate/h1.example.com")
    first = estate.see(*named, kinds=SWEPT)
    aws.world.reset_calls()
    again = estate.see(*named, kinds=SWEPT, known=first.markers)
    assert calls(aws) == {**LISTS, "iam:ListAccessKeys": 1}
    assert set(named) <= set(again.unchanged)


def test_the_next_page_is_asked_for_while_one_is_read(aws, estate):
    """One page waits and one is on its way, however slow the reader is; no more."""
    for number in range(205, 605):
        aws.seed("secret", f"pay/svc-{number:03d}")
    request = InventoryRequest(budget=estate.budget(), kinds=frozenset({"secret"}))
    run = estate.provider().inventory(request)
    next(run)
    deadline = time.monotonic() + 10
    while aws.world.calls()["secretsmanager:ListSecrets"] < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert aws.world.calls()["secretsmanager:ListSecrets"] >= 2
    run.close()


def test_models_come_from_the_sdk_alone():
    """Nobody's home folder changes endpoints or models, and every service of the adapter has its model."""
    assert set(MODELS.search_paths) <= {Loader.BUILTIN_DATA_PATH, str(Path(boto3.__file__).parent / "data")}
    for service in SERVICES:
        assert MODELS.load_service_model(service, "service-2")["metadata"]
    assert isolated_session().get_component("data_loader") is MODELS


def test_every_kind_is_read_with_a_known_service(aws, backup):
    """All collectors together call no service that the loader does not offer."""
    backup.see(kinds=" ".join(COLLECTORS))
    used = {name.partition(":")[0] for name in aws.world.calls()}
    assert used <= set(SERVICES)


def test_the_sdk_brings_only_its_clients():
    """An inventory imports boto3, and neither the store nor a loopback AWS."""
    code = "import sys, nhisync_aws.inventory; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'boto3'" in done.stdout
    for absent in ("moto", "sqlalchemy"):
        assert f"'{absent}'" not in done.stdout


@given(st.one_of(st.integers(-(10**10), 10**11), st.floats(-1e10, 1e11)))
def test_epochs_are_read_as_botocore_reads_them(value):
    """The same instant, in UTC; a fraction may differ by the last microsecond."""
    found = instant(value)
    assert found.utcoffset() == dt.timedelta(0)
    assert abs(found - parse_timestamp(value)) <= dt.timedelta(microseconds=1)


@given(st.datetimes().filter(lambda moment: moment.year >= 1000), st.sampled_from(["Z", "+00:00", "+02:30", ""]))
def test_texts_are_read_as_botocore_reads_them(moment, zone):
    """ISO 8601 as IAM and STS write it, with or without a zone."""
    text = f"{moment.isoformat()}{zone}"
    assert instant(text) == parse_timestamp(text)


@pytest.mark.parametrize("text", ["Mon, 23 Nov 2026 03:12:09 GMT", "20261123T031209Z", "1795403529"])
def test_other_forms_are_left_to_botocore(text):
    """RFC 822, basic ISO and numbers in quotes."""
    assert instant(text) == parse_timestamp(text)


@pytest.mark.parametrize("value", ["", "soon", True, float("nan"), 1e300])
def test_what_is_no_instant_is_refused_as_botocore_does(value):
    """Nonsense raises what botocore raises, which the adapter types as MALFORMED."""
    try:
        expected = parse_timestamp(value)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        with pytest.raises(type(error)):
            instant(value)
    else:
        assert instant(value) == expected
