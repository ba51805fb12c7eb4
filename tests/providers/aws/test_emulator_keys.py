"""KMS of the emulator, through real boto3 over HTTP: states, several Regions, rotation."""

import datetime as dt
import json

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from nhisync_aws.emulator.ciphertext import key_id_of, seal, unseal

DAY = dt.timedelta(days=1)
ELSEWHERE = "eu-west-1"
TEXT = b"canary-3f1c-never-printed"


def refused(call, **params) -> tuple[str, str]:
    """Code and message of the ClientError that `call` must raise."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def kms(admin):
    """KMS with a user who may do everything."""
    return admin("kms")


@pytest.fixture
def away(admin):
    """The same in another Region."""
    return admin("kms", ELSEWHERE)


def made(kms, **params) -> dict:
    """A new key."""
    return kms.create_key(**params)["KeyMetadata"]


def test_replica_decrypts_what_the_primary_encrypted(kms, away):
    """Both have the same id and material; either decrypts what the other one encrypted, context and all."""
    key = made(kms, MultiRegion=True)
    kms.replicate_key(KeyId=key["KeyId"], ReplicaRegion=ELSEWHERE)
    for here, there in ((kms, away), (away, kms)):
        blob = here.encrypt(KeyId=key["KeyId"], Plaintext=TEXT, EncryptionContext={"app": "pay"})["CiphertextBlob"]
        found = there.decrypt(CiphertextBlob=blob, EncryptionContext={"app": "pay"})
        assert found["Plaintext"] == TEXT
        assert found["KeyId"].endswith(key["KeyId"])
        assert refused(there.decrypt, CiphertextBlob=blob)[0] == "InvalidCiphertextException"


def test_ciphertext_of_a_single_region_stays_there(kms, away):
    """Elsewhere the key does not exist, and the ciphertext is refused in the words of a missing right."""
    blob = kms.encrypt(KeyId=made(kms)["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    code, text = refused(away.decrypt, CiphertextBlob=blob)
    assert code == "AccessDeniedException"
    assert "does not exist in this region" in text


def test_primary_stays_primary(kms, away):
    """After a replication each Region tells its own part; both name the same primary and replicas."""
    key = made(kms, MultiRegion=True, Description="first")
    kms.create_alias(AliasName="alias/pay", TargetKeyId=key["KeyId"])
    answer = kms.replicate_key(KeyId=key["KeyId"], ReplicaRegion=ELSEWHERE, Description="second")
    assert answer["ReplicaKeyMetadata"]["KeyState"] == "Creating"
    first = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    second = away.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    again = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert first == again
    kinds = [one["MultiRegionConfiguration"].pop("MultiRegionKeyType") for one in (first, second)]
    assert kinds == ["PRIMARY", "REPLICA"]
    assert first["MultiRegionConfiguration"] == second["MultiRegionConfiguration"]
    assert [r["Region"] for r in second["MultiRegionConfiguration"]["ReplicaKeys"]] == [ELSEWHERE]
    assert (first["Description"], second["Description"]) == ("first", "second")
    assert refused(away.describe_key, KeyId="alias/pay")[0] == "NotFoundException"


def test_second_replica_of_a_region_is_refused(kms, away):
    """One replica for each Region, made from the primary, and only of multi-Region keys."""
    key = made(kms, MultiRegion=True)["KeyId"]
    kms.replicate_key(KeyId=key, ReplicaRegion=ELSEWHERE)
    assert refused(kms.replicate_key, KeyId=key, ReplicaRegion=ELSEWHERE)[0] == "AlreadyExistsException"
    assert refused(kms.replicate_key, KeyId=key, ReplicaRegion="eu-north-1")[0] == "AlreadyExistsException"
    assert refused(away.replicate_key, KeyId=key, ReplicaRegion="eu-west-3")[0] == "UnsupportedOperationException"
    single = made(kms)["KeyId"]
    assert refused(kms.replicate_key, KeyId=single, ReplicaRegion=ELSEWHERE)[0] == "UnsupportedOperationException"


def test_states_of_replicas_are_their_own(kms, away):
    """Disabling the primary leaves the replica at work."""
    key = made(kms, MultiRegion=True)["KeyId"]
    kms.replicate_key(KeyId=key, ReplicaRegion=ELSEWHERE)
    kms.disable_key(KeyId=key)
    assert refused(kms.encrypt, KeyId=key, Plaintext=TEXT)[0] == "DisabledException"
    assert away.encrypt(KeyId=key, Plaintext=TEXT)["CiphertextBlob"]


def test_disabled_key_does_no_cryptography(kms):
    """Every use is refused until the key is enabled again; what was encrypted before is readable then."""
    key = made(kms)
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    kms.disable_key(KeyId=key["KeyId"])
    told = ("DisabledException", f"{key['Arn']} is disabled.")
    assert refused(kms.encrypt, KeyId=key["KeyId"], Plaintext=TEXT) == told
    assert refused(kms.decrypt, CiphertextBlob=blob) == told
    assert refused(kms.generate_data_key, KeyId=key["KeyId"], KeySpec="AES_256") == told
    assert refused(kms.generate_data_key_without_plaintext, KeyId=key["KeyId"], KeySpec="AES_256") == told
    assert refused(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=key["KeyId"]) == told
    assert refused(kms.enable_key_rotation, KeyId=key["KeyId"]) == told
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.decrypt(CiphertextBlob=blob, KeyId=key["Arn"])["Plaintext"] == TEXT


def test_dying_key_does_no_cryptography_and_cannot_be_enabled(kms):
    """Pending deletion: an invalid state; cancelled, the key is disabled and can be enabled."""
    key = made(kms)
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    told = ("KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    assert refused(kms.encrypt, KeyId=key["KeyId"], Plaintext=TEXT) == told
    assert refused(kms.enable_key, KeyId=key["KeyId"]) == told
    assert refused(kms.schedule_key_deletion, KeyId=key["KeyId"], PendingWindowInDays=7) == told
    kms.cancel_key_deletion(KeyId=key["KeyId"])
    assert refused(kms.cancel_key_deletion, KeyId=key["KeyId"])[0] == "KMSInvalidStateException"
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.encrypt(KeyId=key["KeyId"], Plaintext=TEXT)["KeyId"] == key["Arn"]


@pytest.mark.parametrize("usage", ["SIGN_VERIFY", "GENERATE_VERIFY_MAC"])
def test_key_of_another_use_neither_encrypts_nor_works_while_it_is_off(kms, usage):
    """Encrypt names the use that does not fit; signing and authenticating are refused by a disabled key."""
    spec = {"SIGN_VERIFY": "ECC_NIST_P256", "GENERATE_VERIFY_MAC": "HMAC_256"}[usage]
    key = made(kms, KeyUsage=usage, KeySpec=spec)["KeyId"]
    assert refused(kms.encrypt, KeyId=key, Plaintext=TEXT)[0] == "InvalidKeyUsageException"
    calls = {
        "SIGN_VERIFY": (kms.sign, {"SigningAlgorithm": "ECDSA_SHA_256"}),
        "GENERATE_VERIFY_MAC": (kms.generate_mac, {"MacAlgorithm": "HMAC_SHA_256"}),
    }
    call, params = calls[usage]
    assert call(KeyId=key, Message=b"x", **params)["KeyId"]
    kms.disable_key(KeyId=key)
    assert refused(call, KeyId=key, Message=b"x", **params)[0] == "DisabledException"


def test_data_keys_and_second_encryption(kms):
    """A data key's ciphertext decrypts to it; ReEncrypt moves it under another key and another context."""
    first, second = made(kms)["Arn"], made(kms)["Arn"]
    data = kms.generate_data_key(KeyId=first, KeySpec="AES_128")
    assert len(data["Plaintext"]) == 16
    moved = kms.re_encrypt(
        CiphertextBlob=data["CiphertextBlob"], DestinationKeyId=second, DestinationEncryptionContext={"a": "b"}
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (first, second)
    found = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert (found["Plaintext"], found["KeyId"]) == (data["Plaintext"], second)
    assert refused(kms.decrypt, CiphertextBlob=data["CiphertextBlob"], KeyId=second)[0] == "IncorrectKeyException"
    assert refused(kms.decrypt, CiphertextBlob=b"odd" * 20)[0] == "InvalidCiphertextException"
    assert refused(kms.generate_data_key, KeyId=first)[0] == "ValidationException"


def test_decrypting_is_a_right_on_the_key_that_encrypted(aws, kms):
    """Without KeyId the ciphertext says which key the policy must name; ReEncrypt needs a right on either key."""
    mine, other = made(kms)["Arn"], made(kms)["Arn"]
    statement = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:ReEncrypt*"], "Resource": mine}
    account = mine.split(":")[4]
    aws.source("backup", "narrow", auth="keys_file", policy={"Statement": [statement]}, account=account)
    narrow = aws.client("kms", aws.keys("backup", "narrow"))
    good, bad = (kms.encrypt(KeyId=arn, Plaintext=TEXT)["CiphertextBlob"] for arn in (mine, other))
    assert narrow.decrypt(CiphertextBlob=good)["Plaintext"] == TEXT
    assert refused(narrow.decrypt, CiphertextBlob=bad)[0] == "AccessDeniedException"
    assert narrow.re_encrypt(CiphertextBlob=good, DestinationKeyId=mine)["KeyId"] == mine
    text = refused(narrow.re_encrypt, CiphertextBlob=good, DestinationKeyId=other)[1]
    assert f"not authorized to perform: kms:ReEncryptTo on resource: {other}" in text


def test_rotation_has_a_next_date_that_is_never_past(aws, kms, admin, away):
    """The period counts from the day it was set; a year later the next date has moved on; replicas follow."""
    key = made(kms, MultiRegion=True)["KeyId"]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    kms.replicate_key(KeyId=key, ReplicaRegion=ELSEWHERE)
    start = aws.clock.now()
    status = kms.get_key_rotation_status(KeyId=key)
    assert (status["RotationPeriodInDays"], status["NextRotationDate"]) == (180, start + 180 * DAY)
    assert refused(away.enable_key_rotation, KeyId=key)[0] == "UnsupportedOperationException"
    aws.clock.advance(370 * DAY)
    for region in ("eu-north-1", ELSEWHERE):
        later = admin("kms", region).get_key_rotation_status(KeyId=key)
        assert later["NextRotationDate"] == start + 540 * DAY
    kms.disable_key_rotation(KeyId=key)
    assert "NextRotationDate" not in away.get_key_rotation_status(KeyId=key)
    assert refused(kms.enable_key_rotation, KeyId=key, RotationPeriodInDays=2561)[0] == "ValidationException"


def test_rotation_on_demand_ends_after_25(aws, kms):
    """Each is listed, the schedule stays, old ciphertext stays readable, the 26th is refused."""
    key = made(kms)["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=TEXT)["CiphertextBlob"]
    kms.enable_key_rotation(KeyId=key)
    planned = kms.get_key_rotation_status(KeyId=key)["NextRotationDate"]
    for _ in range(25):
        kms.rotate_key_on_demand(KeyId=key)
    assert refused(kms.rotate_key_on_demand, KeyId=key)[0] == "LimitExceededException"
    assert {r["RotationDate"] for r in kms.list_key_rotations(KeyId=key)["Rotations"]} == {aws.clock.now()}
    assert kms.get_key_rotation_status(KeyId=key)["NextRotationDate"] == planned
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == TEXT


def test_no_value_is_in_the_ciphertext(kms):
    """The plaintext shows in no answer but that of Decrypt."""
    blob = kms.encrypt(KeyId=made(kms)["KeyId"], Plaintext=json.dumps({"k": TEXT.decode()}).encode())["CiphertextBlob"]
    assert TEXT not in blob


@given(st.text("abcdef0123456789-", min_size=1, max_size=60), st.binary(max_size=80), st.integers(0, 200))
def test_ciphertext_opens_unchanged_only(key_id, plaintext, place):
    """What was sealed opens; with any one bit turned it does not."""
    material, nonce = bytes(32), bytes(12)
    blob = seal(key_id, material, plaintext, {"a": "b"}, nonce)
    assert (key_id_of(blob), unseal(blob, material, {"a": "b"})) == (key_id, plaintext)
    assert unseal(blob, material, {"a": "c"}) is None
    at = 1 + len(key_id) + place % (len(blob) - 1 - len(key_id))
    turned = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
    assert unseal(turned, material, {"a": "b"}) is None
