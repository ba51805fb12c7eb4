"""Keys of Key Vault as the real SDK sees them: versions, rotation, policies, signatures."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import KeyRotationLifetimeAction, KeyRotationPolicy, KeyRotationPolicyAction
from azure.keyvault.keys.crypto import SignatureAlgorithm

from nhisync.testing.world import Seed

from .conftest import code_of, fresh

DIGEST = hashlib.sha256(b"probe").digest()


def test_a_key_shows_only_its_public_half(cloud: Any) -> None:
    """An EC key comes as a JSON web key without a private part."""
    name = fresh("ec")
    made = cloud.keys.create_ec_key(name, curve="P-256", tags={"a": "1"})
    assert (made.key_type.value, made.key.crv.value, made.properties.tags) == ("EC", "P-256", {"a": "1"})
    assert made.key.d is None
    assert cloud.keys.get_key(name).key.x == made.key.x
    row = next(row for row in cloud.keys.list_properties_of_keys() if row.name == name)
    assert (row.version, row.managed) == (None, None)


def test_rotation_makes_a_new_version_of_the_same_kind(cloud: Any) -> None:
    """Rotate adds a version with a new key; the older one stays readable."""
    name = fresh("rotate")
    first = cloud.keys.create_ec_key(name)
    second = cloud.keys.rotate_key(name)
    assert second.properties.version != first.properties.version
    assert (second.key_type, second.key.crv) == (first.key_type, first.key.crv)
    assert second.key.x != first.key.x
    versions = {row.version for row in cloud.keys.list_properties_of_key_versions(name)}
    assert versions == {first.properties.version, second.properties.version}


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("ec", SignatureAlgorithm.es256), ("rsa", SignatureAlgorithm.rs256), ("rsa", SignatureAlgorithm.ps256)],
)
def test_a_key_signs_and_verifies(cloud: Any, kind: str, algorithm: SignatureAlgorithm) -> None:
    """What the key signs it verifies; another digest is not verified."""
    name = fresh(f"sign-{kind}")
    key = cloud.keys.create_ec_key(name) if kind == "ec" else cloud.keys.create_rsa_key(name, size=2048)
    crypto = cloud.crypto(key.id)  # an id, not the key: nothing is verified locally
    signature = crypto.sign(algorithm, DIGEST).signature
    assert crypto.verify(algorithm, DIGEST, signature).is_valid
    assert not crypto.verify(algorithm, hashlib.sha256(b"other").digest(), signature).is_valid


def test_a_key_without_a_policy_only_notifies(cloud: Any) -> None:
    """The default rotation policy notifies before expiry and rotates nothing."""
    name = fresh("default")
    cloud.keys.create_ec_key(name)
    policy = cloud.keys.get_key_rotation_policy(name)
    assert {action.action for action in policy.lifetime_actions} <= {KeyRotationPolicyAction.notify}
    assert policy.expires_in is None


def test_a_rotation_policy_is_kept(cloud: Any) -> None:
    """Trigger, action and expiry come back as they were set, and new versions expire by it."""
    name = fresh("policy")
    cloud.keys.create_ec_key(name)
    rotate = KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P60D")
    policy = KeyRotationPolicy()
    policy.lifetime_actions, policy.expires_in = [rotate], "P90D"
    cloud.keys.update_key_rotation_policy(name, policy)
    kept = cloud.keys.get_key_rotation_policy(name)
    rotations = [one for one in kept.lifetime_actions if one.action == KeyRotationPolicyAction.rotate]
    assert [(one.time_after_create, one.time_before_expiry) for one in rotations] == [("P60D", None)]
    assert kept.expires_in == "P90D"
    made = cloud.keys.rotate_key(name).properties
    assert timedelta(days=89) < made.expires_on - made.created_on < timedelta(days=91)


def test_a_trigger_under_seven_days_is_refused(cloud: Any) -> None:
    """Key Vault rotates at most once a week."""
    name = fresh("hasty")
    cloud.keys.create_ec_key(name)
    policy = KeyRotationPolicy()
    policy.lifetime_actions = [KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P3D")]
    policy.expires_in = "P90D"
    with pytest.raises(HttpResponseError) as refused:
        cloud.keys.update_key_rotation_policy(name, policy)
    assert refused.value.status_code == 400


def test_a_disabled_key_does_not_sign(cloud: Any) -> None:
    """A disabled version is shown but refuses to sign."""
    name = fresh("off")
    key = cloud.keys.create_ec_key(name)
    cloud.keys.update_key_properties(name, key.properties.version, enabled=False)
    assert cloud.keys.get_key(name).properties.enabled is False
    with pytest.raises(HttpResponseError) as refused:
        cloud.crypto(key.id).sign(SignatureAlgorithm.es256, DIGEST)
    assert refused.value.status_code == 403


def test_an_expired_key_verifies_but_does_not_sign(cloud: Any) -> None:
    """The expiry of a key blocks new signatures, not the verification of old ones."""
    name = fresh("expired")
    key = cloud.keys.create_ec_key(name)
    crypto = cloud.crypto(key.id)
    signature = crypto.sign(SignatureAlgorithm.es256, DIGEST).signature
    cloud.keys.update_key_properties(name, key.properties.version, expires_on=datetime(2021, 1, 1, tzinfo=UTC))
    with pytest.raises(HttpResponseError) as refused:
        cloud.crypto(key.id).sign(SignatureAlgorithm.es256, DIGEST)
    assert refused.value.status_code == 403
    assert cloud.crypto(key.id).verify(SignatureAlgorithm.es256, DIGEST, signature).is_valid


def test_deleted_keys_come_back(cloud: Any) -> None:
    """Deletion is soft and recovery restores every version."""
    name = fresh("gone")
    cloud.keys.create_ec_key(name)
    cloud.keys.rotate_key(name)
    cloud.keys.begin_delete_key(name, _polling_interval=cloud.polls).wait()
    with pytest.raises(ResourceNotFoundError):
        cloud.keys.get_key(name)
    assert name in {row.name for row in cloud.keys.list_deleted_keys()}
    cloud.keys.begin_recover_deleted_key(name, _polling_interval=cloud.polls).wait()
    assert len(list(cloud.keys.list_properties_of_key_versions(name))) == 2


def test_the_vault_rotates_by_itself(site: Any, world: Any, clock: Any) -> None:
    """A Rotate action makes a new version whenever its trigger is reached, dated then, whether anybody looks or not."""
    options = {"rotate_after": "P30D", "expiry_time": "P60D"}
    young = timedelta(days=1)
    world.seed("primary", "azure", Seed(kind="key", name="auto", created=young, rotated=None, options=options))
    first = site.keys.get_key("auto").properties.version
    clock.advance(timedelta(days=28))
    assert site.keys.get_key("auto").properties.version == first
    clock.advance(timedelta(days=2))
    second = site.keys.get_key("auto").properties
    assert second.version != first
    assert second.expires_on is not None
    clock.advance(timedelta(days=75))
    created = sorted(row.created_on for row in site.keys.list_properties_of_key_versions("auto"))
    steps = [later - earlier for earlier, later in itertools.pairwise(created)]
    assert steps == [timedelta(days=30)] * 3


def test_an_algorithm_that_does_not_fit_is_refused(site: Any) -> None:
    """RS256 with an EC key and a digest of the wrong length are a 400."""
    key = site.keys.create_ec_key("fit")
    crypto = site.crypto(key.id)
    for algorithm, digest in ((SignatureAlgorithm.rs256, DIGEST), (SignatureAlgorithm.es256, b"short")):
        with pytest.raises(HttpResponseError) as refused:
            crypto.sign(algorithm, digest)
        assert code_of(refused.value)[0] == 400
