"""Value comparison, permission documents and doctor of the adapter."""

import datetime as dt
import json
from types import SimpleNamespace

import pytest

from nhisync.spi import AccessMode, CheckState, FieldValue, ProviderError
from nhisync_aws.doctor import _tls

DAY = dt.timedelta(days=1)


def read(source, *names, **settings):
    """Fields by item, and errors by item."""
    wanted = [source.locator(name) for name in names]
    fields, errors = {}, {}
    for found in source.provider(**settings).values(wanted, source.budget()):
        if isinstance(found, FieldValue):
            fields.setdefault(f"{found.locator.kind}/{found.locator.name}", {})[found.field] = found.value.reveal()
        else:
            errors[f"{found[0].kind}/{found[0].name}"] = found[1]
    return fields, errors


@pytest.fixture
def comparing(source_of):
    """The adapter with the fingerprint document."""
    return source_of(mode="fingerprint", batch=True)


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("batch", [False, True])
def test_every_field_of_every_item_is_read(aws, comparing, batch):
    """JSON members each, plain and binary values whole, parameters too; numbers and objects as their JSON."""
    aws.seed("secret", "pay/db", fields={"password": "S3CRET-one", "host": "db.example"})
    aws.seed("secret", "pay/plain", fields={"v": "S3CRET-two"}, plain=True)
    aws.seed("secret", "pay/bin", fields={"pin": "S3CRET-three"}, binary=True)
    aws.seed("parameter", "/pay/key", fields={"v": "S3CRET-four"}, plain=True)
    names = ("secret/pay/db", "secret/pay/plain", "secret/pay/bin", "parameter//pay/key")
    fields, errors = read(comparing, *names, "secret/pay/db#password", batch_values=batch)
    assert errors == {}
    assert fields == {
        "secret/pay/db": {"password": b"S3CRET-one", "host": b"db.example"},
        "secret/pay/plain": {"value": b"S3CRET-two"},
        "secret/pay/bin": {"pin": b"S3CRET-three"},
        "parameter//pay/key": {"value": b"S3CRET-four"},
    }
    used = {n for n in aws.world.calls() if n.startswith("secretsmanager")}
    assert used == {f"secretsmanager:{'BatchGetSecretValue' if batch else 'GetSecretValue'}"}


@pytest.mark.parametrize("batch", [False, True])
def test_unreadable_items_are_told_and_end_nothing(aws, comparing, batch):
    """Absent, dying, undecryptable and denied items and valueless kinds give typed errors beside good values."""
    aws.seed("secret", "pay/good", fields={"k": "S3CRET-good"})
    aws.seed("secret", "pay/dying", deletion_in=6 * DAY)
    aws.seed("secret", "pay/locked", kms={"state": "Disabled"})
    aws.seed("role", "task")
    names = ("secret/pay/good", "secret/pay/dying", "secret/pay/locked", "secret/pay/none", "role/task")
    fields, errors = read(comparing, *names, batch_values=batch)
    assert set(fields) == {"secret/pay/good"}
    assert {name: fact.kind for name, fact in errors.items()} == {
        "secret/pay/dying": "conflict",
        "secret/pay/locked": "crypto_unavailable",
        "secret/pay/none": "denied",  # AWS matches a name that does not exist against no ARN
        "role/task": "unsupported",
    }


@pytest.mark.requirement("R4b")
def test_batches_of_twenty(aws, comparing):
    """45 values are three batch calls."""
    for number in range(45):
        aws.seed("secret", f"pay/{number:02d}", fields={"k": f"value-{number}"})
    fields, errors = read(comparing, *[f"secret/pay/{n:02d}" for n in range(45)], batch_values=True)
    assert len(fields) == 45
    assert errors == {}
    assert aws.world.calls()["secretsmanager:BatchGetSecretValue"] == 3


def test_reading_role_cannot_read_values(aws, backup):
    """With the read document every value is denied explicitly, and the reason says so."""
    aws.seed("secret", "pay/a", fields={"k": "S3CRET"})
    fields, errors = read(backup, "secret/pay/a")
    assert fields == {}
    assert (errors["secret/pay/a"].kind, errors["secret/pay/a"].action) == ("denied", "secretsmanager:GetSecretValue")
    assert errors["secret/pay/a"].reason == "an explicit deny in its identity-based policy"


@pytest.mark.parametrize("fault", ["cut_body", "garbage", "drop_reply", "throttled", "error_500"])
@pytest.mark.parametrize("batch", [False, True])
def test_faults_while_reading_values_show_no_value(aws, comparing, caplog, batch, fault):
    """Each item is answered with a typed error; no canary in errors or logs."""
    aws.seed("secret", "pay/a", fields={"k": "CANARY-abcdef"})
    aws.world.fault("backup", "aws", fault, operation="secretsmanager:*")
    with caplog.at_level("DEBUG"):
        fields, errors = read(comparing, "secret/pay/a", batch_values=batch)
    assert fields == {}
    assert errors["secret/pay/a"].kind in {"malformed", "unreachable", "throttled"}
    assert "CANARY" not in f"{errors} {[vars(r) for r in caplog.records]}"


def policy_of(source, mode, *names, kinds="", **settings):
    """The adapter's document as a policy, and what it says it grants."""
    wanted = [source.locator(name) for name in names]
    (document,) = source.provider(**settings).permissions(mode, wanted, frozenset(kinds.split()))
    return json.loads(document.text), document.actions


def test_read_document_is_scoped_and_closed(aws, backup):
    """Named items only, lists where a list is needed, and an explicit Deny on every value."""
    names = ("secret/pay/stripe", "access-key/svc", "role/task", "parameter//pay/key", "certificate/api.example.com")
    policy, actions = policy_of(backup, AccessMode.READ, *names)
    account = aws.world.account_of("backup", "aws")
    resources = {s["Sid"]: s["Resource"] for s in policy["Statement"]}
    assert resources["NhisyncReadSecret"] == ["*"]  # what ListSecrets shows anyway; else absence could not be proven
    assert resources["NhisyncReadAccessKey"] == [f"arn:aws:iam::{account}:user/*svc"]
    assert resources["NhisyncReadParameter"] == [f"arn:aws:ssm:eu-north-1:{account}:parameter/pay/key"]
    deny = next(s for s in policy["Statement"] if s["Effect"] == "Deny")
    assert deny["Resource"] == "*"
    assert {"secretsmanager:GetSecretValue", "kms:Decrypt", "acm:ExportCertificate"} <= set(deny["Action"])
    assert not [a for a in actions if "Value" in a or a.startswith("ssm:GetParam") or a.split(":")[1].startswith("Put")]


def test_documents_grant_nothing_for_kinds_that_are_not_used(backup):
    """A configuration with certificates only needs ACM only."""
    _, actions = policy_of(backup, AccessMode.READ, "certificate/api.example.com")
    assert {a.partition(":")[0] for a in actions} == {"acm"}


def test_fingerprint_document_opens_the_named_values_only(backup):
    """Values of the named items, decryption through their services only, all other values closed."""
    names = ("secret/pay/stripe", "parameter//pay/key")
    policy, actions = policy_of(backup, AccessMode.FINGERPRINT, *names)
    assert "secretsmanager:GetSecretValue" in actions
    assert "secretsmanager:BatchGetSecretValue" not in actions
    decrypt = next(s for s in policy["Statement"] if s["Action"] == ["kms:Decrypt"])
    assert decrypt["Condition"]["StringEquals"]["kms:ViaService"] == [
        "secretsmanager.eu-north-1.amazonaws.com",
        "ssm.eu-north-1.amazonaws.com",
    ]
    only = next(s for s in policy["Statement"] if s["Sid"] == "NhisyncOnlySecret")
    assert only["Effect"] == "Deny"
    assert only["NotResource"][0].endswith(":secret:pay/stripe-??????")
    batch, actions = policy_of(backup, AccessMode.FINGERPRINT, *names, batch_values=True)
    assert "secretsmanager:BatchGetSecretValue" in actions
    assert batch != policy


def test_fingerprint_document_is_proven(aws, source_of, backup):
    """A role with exactly the printed document reads the named value and no other."""
    policy, _ = policy_of(backup, AccessMode.FINGERPRINT, "secret/pay/stripe")
    text = json.dumps(policy).replace(aws.world.account_of("backup", "aws"), "*")
    source = source_of("other", "aws", policy=json.loads(text))
    aws.seed("secret", "pay/stripe", path="other", fields={"k": "S3CRET"})
    aws.seed("secret", "pay/else", path="other", fields={"k": "S3CRET"})
    fields, errors = read(source, "secret/pay/stripe", "secret/pay/else")
    assert set(fields) == {"secret/pay/stripe"}
    assert errors["secret/pay/else"].kind == "denied"
    assert source.see("secret/pay/stripe")["secret/pay/stripe"].presence == "present"


def test_scoped_read_document_is_proven(aws, source_of, backup):
    """A role with exactly the printed document answers all named items, swept kinds included."""
    names = (
        "secret/pay/a",
        "access-key/svc",
        "role/task",
        "service-credential/codecommit.amazonaws.com/git",
        "server-certificate/old",
        "certificate/api.example.com",
        "parameter//pay/a",
    )
    policy, _ = policy_of(backup, AccessMode.READ, *names)
    text = json.dumps(policy).replace(aws.world.account_of("backup", "aws"), "*")
    source = source_of("other", "aws", policy=json.loads(text))
    for name in names:
        kind, _, rest = name.partition("/")
        aws.seed(kind, rest, path="other", **({"kms": {}} if kind in {"secret", "parameter"} else {}))
    seen = source.see(*names)
    assert {n: i.presence.value for n, i in seen.items.items()} == dict.fromkeys(names, "present")
    assert seen["secret/pay/a"].dependencies[0].usable is True


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-north-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_documents_speak_of_the_regions_partition(backup, region, partition):
    """ARNs and service names fit the partition, also when only a region is configured."""
    auth = {"method": "keys_file", "file": "k"}
    policy, _ = policy_of(backup, AccessMode.FINGERPRINT, "secret/pay/a", region=region, auth=auth)
    only = next(s for s in policy["Statement"] if s["Sid"] == "NhisyncOnlySecret")
    assert only["NotResource"] == [f"arn:{partition}:secretsmanager:{region}:*:secret:pay/a-??????"]
    decrypt = next(s for s in policy["Statement"] if s["Action"] == ["kms:Decrypt"])
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    assert decrypt["Condition"]["StringEquals"]["kms:ViaService"] == [f"secretsmanager.{region}.{suffix}"]


@pytest.mark.parametrize("mode", [AccessMode.PROBE, AccessMode.ROTATE])
def test_modes_without_a_document_have_none(backup, mode):
    """Nothing to probe and nothing to rotate: no rights to do so."""
    assert backup.provider().permissions(mode, [], frozenset()) == ()


def checks(source, *names, kinds="", mode=AccessMode.READ, **settings):
    """Doctor's checks by name (the last of a name wins)."""
    wanted = [source.locator(name) for name in names]
    found = list(source.provider(**settings).examine(mode, wanted, frozenset(kinds.split()), source.budget()))
    return {check.name: check for check in found}


def test_doctor_is_content_with_the_read_document(aws, backup):
    """Everything allowed, values closed, file private; no value is read."""
    aws.seed("secret", "pay/a")
    kinds = "secret access-key role service-credential server-certificate certificate parameter"
    found = checks(backup, "secret/pay/a", "access-key/none", kinds=kinds)
    assert {c.state for c in found.values()} == {CheckState.OK}
    assert {"keys-file", "reachable", "identity", "values-closed", "permission:secretsmanager:DescribeSecret"} <= set(
        found
    )
    assert found["identity"].observed.endswith(f"at aws:{aws.world.account_of('backup', 'aws')}")


def test_doctor_names_the_missing_grant(aws, backup):
    """A missing permission is a failed check whose fix is the statement to add."""
    aws.world.fault("backup", "aws", "denied", action="acm:ListCertificates")
    check = checks(backup, kinds="certificate")["permission:acm:ListCertificates"]
    assert check.state is CheckState.FAILED
    assert '"Action": "acm:ListCertificates"' in check.fix
    assert check.error.principal.endswith("/nhisync")


def test_doctor_warns_when_inventory_could_read_values(aws, source_of):
    """A role that may read values is more than inventory needs."""
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    source = source_of(policy=wide)
    check = checks(source)["values-closed"]
    assert check.state is CheckState.WARNING
    assert "permissions --mode read" in check.fix


def test_doctor_warns_about_a_shared_keys_file(aws, backup):
    """A keys file that others can read is named with its mode."""
    from pathlib import Path

    Path(aws.documents["backup", "aws"]["auth"]["base"]["file"]).chmod(0o644)
    check = checks(backup)["keys-file"]
    assert check.state is CheckState.WARNING
    assert "0644" in check.observed
    assert check.fix.startswith("chmod 600")


@pytest.mark.parametrize(
    ("settings", "failed"),
    [
        ({"endpoint": "http://127.0.0.1:9"}, "reachable"),
        ({"auth": {"method": "keys_file", "file": "none"}}, "identity"),
    ],
)
def test_doctor_says_why_nothing_can_be_asked(backup, settings, failed):
    """Unreachable and unauthenticated are told apart, and nothing is raised."""
    found = checks(backup, "secret/pay/a", kinds="secret", **settings)
    assert found[failed].state is CheckState.FAILED
    assert found[failed].fix
    assert not any(name.startswith("permission") for name in found)


def test_doctor_claims_no_answer_that_never_came(aws, backup):
    """Without keys nothing is asked, so nothing is known about the endpoint; a refusal by AWS is an answer."""
    assert "reachable" not in checks(backup, auth={"method": "keys_file", "file": "none"})
    aws.world.fault("backup", "aws", "denied", action="sts:AssumeRole")
    assert checks(backup)["reachable"].state is CheckState.OK


@pytest.mark.parametrize(
    ("seconds", "state", "observed"),
    [(0, "ok", "differs by 0 s"), (-119, "ok", "by 119 s"), (121, "failed", "by 121 s"), (-290, "failed", "by 290 s")],
)
def test_doctor_compares_the_clocks(aws, backup, seconds, state, observed):
    """The clock is compared with the Date of AWS's answers; two minutes are still good, and nothing is asked for it."""
    aws.world.fault("backup", "aws", "clock_skew", seconds=seconds)
    check = checks(backup)["clock"]
    assert check.state.value == state
    assert observed in check.observed
    assert bool(check.fix) == (state == "failed")


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_refused_signature_time_is_our_clock(aws, backup, seconds):
    """AWS refuses every signature of a clock that is far off: the clock is named and measured, no key is suspected."""
    aws.world.fault("backup", "aws", "clock_skew", seconds=seconds)
    found = checks(backup)
    assert found["reachable"].state is CheckState.OK
    assert "clock is off" in found["identity"].observed
    assert "NTP" in found["identity"].fix
    assert "key" not in found["identity"].fix
    assert (found["clock"].state, found["clock"].observed) == (CheckState.FAILED, "differs by 3600 s")


def test_doctor_never_raises(aws, backup):
    """Even when every call is garbled, checks are yielded."""
    aws.world.fault("backup", "aws", "garbage", operation="[aiks][!t]*")
    found = checks(backup, "secret/pay/a", kinds="secret certificate")
    assert found["reachable"].state is CheckState.OK
    assert (
        found["permission:secretsmanager:ListSecrets"].state is CheckState.OK
        or found["permission:secretsmanager:ListSecrets"].error
    )


def test_values_raise_only_when_nothing_can_be_asked(aws, comparing):
    """A refused role ends the reading at once."""
    aws.world.fault("backup", "aws", "denied", action="sts:AssumeRole")
    with pytest.raises(ProviderError):
        read(comparing, "secret/pay/a")


@pytest.mark.parametrize(
    ("endpoint", "state", "observed"),
    [
        ("https://sts.eu-north-1.amazonaws.com", CheckState.OK, "certificate is trusted"),
        ("http://127.0.0.1:5000", CheckState.OK, "on this machine"),
        ("http://aws.example:5000", CheckState.WARNING, "nobody vouches"),
    ],
)
def test_doctor_says_who_vouches_for_the_server(endpoint, state, observed):
    """TLS is verified wherever it is spoken; a plain endpoint elsewhere is a warning."""
    connection = SimpleNamespace(endpoint=lambda _service, _budget: endpoint)
    check = _tls(SimpleNamespace(connection=connection), None)
    assert (check.name, check.state) == ("tls", state)
    assert observed in check.observed
