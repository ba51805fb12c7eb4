"""Permission documents: what they print suffices, and each of their lines is needed."""

import shlex

import pytest
from ruamel.yaml import YAML

from nhisync.spi import AccessMode, CheckState, ErrorKind, FieldValue, Locator, ProviderError
from nhisync_gcp.permissions import ACCESS, READ, bindings, documents

from .conftest import ACCOUNT, REGION

PROJECT = "acme-backup-gcp"
PAY, NONE = ACCOUNT.format("payments"), ACCOUNT.format("none")
SECRET, REGIONAL = "secret/stripe", f"regional-secret/{REGION}/ledger"
KEY, SELF = f"service-account-key/{PAY}", f"service-account/{PAY}"
POOL = f"{REGION}/pool"
PRESENT = (SECRET, REGIONAL, SELF, KEY, "certificate/global/www", f"cas-certificate/{POOL}/cn/api.example.com")
ABSENT = (
    "secret/none",
    f"regional-secret/{REGION}/none",
    f"service-account/{NONE}",
    f"service-account-key/{NONE}",
    "certificate/global/none",
    f"cas-certificate/{POOL}/none",
)
KINDS = frozenset(READ)


def locators(*names):
    """Locators of the source."""
    return [Locator.parse(f"gcp:{name}") for name in names]


def granted(mode, *names, kinds=KINDS, without=("", "")):
    """Resource → permissions of the documents of `mode`, as the world grants them; `without` one line."""
    found = {}
    for one in bindings(mode, locators(*names), kinds, PROJECT):
        line = [p for p in one.permissions if (one.role, p) != without]
        found.setdefault(one.resource, []).extend(line)
    return found


READ_LINES = [(b.role, p) for b in bindings(AccessMode.READ, locators(*PRESENT), KINDS, PROJECT) for p in b.permissions]


@pytest.fixture
def stocked(gcp):
    """One item of each kind."""
    gcp.seed("secret", "stripe", fields={"v": "S3CRET-stripe"})
    gcp.seed("regional-secret", f"{REGION}/ledger", fields={"v": "S3CRET-ledger"})
    gcp.seed("service-account-key", "payments")
    gcp.seed("certificate", "global/www")
    gcp.seed("cas-certificate", f"{POOL}/cn/api.example.com")
    return gcp


def look(gcp):
    """Everything the inventory does: sweep all, ask for what is there, for what is not, and for one key."""
    key = gcp.see(KEY).items.get(KEY)
    one = f"{KEY}/{key.version}" if key is not None and key.version else f"{KEY}/{'0' * 40}"
    return gcp.see(*PRESENT, *ABSENT, f"{KEY}/{'f' * 40}", one, kinds=" ".join(KINDS))


@pytest.mark.requirement("R11", "R32")
def test_the_read_document_suffices(stocked):
    """With exactly its permissions every kind is complete, every item there, and every absence proven."""
    stocked.world.grant("backup", "gcp", granted(AccessMode.READ, *PRESENT))
    seen = look(stocked)
    assert {seen[name].presence.value for name in PRESENT} == {"present"}
    assert {seen[name].presence.value for name in ABSENT} == {"absent"}
    assert set(seen.status.values()) == {"complete"}


@pytest.mark.requirement("R32")
@pytest.mark.parametrize("line", READ_LINES, ids=[permission for _, permission in READ_LINES])
def test_every_line_of_the_read_document_is_needed(stocked, line):
    """Without any one line the inventory reports that very permission as missing, and calls nothing absent for it."""
    stocked.world.grant("backup", "gcp", granted(AccessMode.READ, *PRESENT, without=line))
    seen = look(stocked)
    errors = [item.error for item in seen.items.values()] + [entry.error for entry in seen.coverage]
    missing = {error.action for error in errors if error is not None and error.kind == "denied"}
    assert line[1] in missing
    assert not {name for name in PRESENT if seen[name].presence.value == "absent"}


@pytest.mark.requirement("R32")
def test_reading_mode_is_refused_every_value(stocked):
    """With the read document the service refuses each value, global and regional."""
    stocked.world.grant("backup", "gcp", granted(AccessMode.READ, *PRESENT))
    answers = list(stocked.provider().values(locators(SECRET, REGIONAL), stocked.budget()))
    assert [(error.kind, error.action) for _, error in answers] == [("denied", ACCESS)] * 2


@pytest.mark.requirement("R32", "R42")
@pytest.mark.parametrize("closed", [None, SECRET, REGIONAL])
def test_the_comparison_opens_each_secret_alone(stocked, closed):
    """Every binding is needed: without one, that secret's value is missing, by that permission, and no other's."""
    grants = granted(AccessMode.FINGERPRINT, SECRET, REGIONAL)
    resources = {
        SECRET: f"projects/{PROJECT}/secrets/stripe",
        REGIONAL: f"projects/{PROJECT}/locations/{REGION}/secrets/ledger",
    }
    stocked.seed("secret", "other", fields={"v": "S3CRET-other"})
    stocked.world.grant("backup", "gcp", {k: v for k, v in grants.items() if k != resources.get(closed)})
    answers = list(stocked.provider().values(locators(SECRET, REGIONAL, "secret/other"), stocked.budget()))
    read = {f"{a.locator.kind}/{a.locator.name}" for a in answers if isinstance(a, FieldValue)}
    denied = {f"{a[0].kind}/{a[0].name}": a[1].action for a in answers if not isinstance(a, FieldValue)}
    assert read == {SECRET, REGIONAL} - {closed}
    assert denied == dict.fromkeys({"secret/other", closed} - {None}, ACCESS)


COMPARE_LINES = [
    (b.role, p)
    for b in bindings(AccessMode.FINGERPRINT, locators(SECRET, REGIONAL), frozenset(), PROJECT)
    for p in b.permissions
]


@pytest.mark.requirement("R32", "R42")
@pytest.mark.parametrize("line", sorted(set(COMPARE_LINES)), ids=lambda line: line[1])
def test_every_line_of_the_comparison_is_needed(stocked, line):
    """Without any one line doctor, inventory or the reading of values miss that very permission; nothing is absent."""
    names = (SECRET, REGIONAL)
    stocked.world.grant("backup", "gcp", granted(AccessMode.FINGERPRINT, *names, kinds=frozenset(), without=line))
    seen = stocked.see(*names, *ABSENT[:2])
    answers = list(stocked.provider().values(locators(*names), stocked.budget()))
    errors = [item.error for item in seen.items.values()] + [a[1] for a in answers if not isinstance(a, FieldValue)]
    checks = stocked.provider().examine(AccessMode.FINGERPRINT, locators(*names), frozenset(), stocked.budget())
    failed = [one for one in checks if one.name.startswith("permission:") and one.state is CheckState.FAILED]
    assert {error.action for error in errors if error is not None} <= {line[1]}
    assert {one.name for one in failed} == {f"permission:{line[1]}"}
    assert not {name for name in names if seen[name].presence.value == "absent"}


def test_the_comparison_needs_the_list_of_versions(stocked):
    """Values are read by number, which only the list of versions tells."""
    line = ("nhisyncRead", "secretmanager.versions.list")
    stocked.world.grant("backup", "gcp", granted(AccessMode.FINGERPRINT, SECRET, without=line))
    answers = list(stocked.provider().values(locators(SECRET), stocked.budget()))
    assert [error.action for _, error in answers] == ["secretmanager.versions.list"]


def try_probe(gcp):
    """What a live check calls: the stored credential by its number."""
    name = f"projects/{PROJECT}/secrets/stripe/versions/2"
    gcp.provider()._connection.call("secretmanager.access_secret_version", gcp.budget(), name=name)


def try_rotation(gcp):
    """What a rotation calls (mint, verify, retire, roll back), in its order; what changes something by `mint`."""
    connection, budget = gcp.provider()._connection, gcp.budget()
    name, account = f"projects/{PROJECT}/secrets/stripe", f"projects/{PROJECT}/serviceAccounts/{PAY}"
    secret = connection.call("secretmanager.get_secret", budget, name=name)
    annotated = {"name": name, "annotations": {"nhisync-op": "op-1"}, "etag": secret.etag}
    mask = {"paths": ["annotations"]}
    connection.mint("secretmanager.update_secret", budget, secret=annotated, update_mask=mask)
    payload = {"data": b"canary-minted"}
    made = connection.mint("secretmanager.add_secret_version", budget, parent=name, payload=payload)
    connection.call("secretmanager.access_secret_version", budget, name=made.name)
    connection.mint("secretmanager.disable_secret_version", budget, name=f"{name}/versions/2")
    connection.mint("secretmanager.enable_secret_version", budget, name=f"{name}/versions/2")
    connection.call("iam.list_service_account_keys", budget, name=account)
    key = connection.mint("iam.create_service_account_key", budget, name=account)
    connection.mint("iam.disable_service_account_key", budget, name=key.name)
    connection.mint("iam.enable_service_account_key", budget, name=key.name)


TRIES = {AccessMode.PROBE: try_probe, AccessMode.ROTATE: try_rotation}
LINES = [
    (mode, (one.role, permission))
    for mode in TRIES
    for one in bindings(mode, locators(SECRET, KEY), frozenset(), PROJECT)
    for permission in one.permissions
    if one.role != "nhisyncRead"
]


@pytest.mark.requirement("R32")
@pytest.mark.parametrize("mode", sorted(TRIES))
def test_probe_and_rotate_documents_suffice(stocked, mode):
    """Every call of the mode succeeds with exactly its documents."""
    stocked.world.grant("backup", "gcp", granted(mode, SECRET, KEY, kinds=frozenset()))
    TRIES[mode](stocked)


@pytest.mark.requirement("R32")
@pytest.mark.parametrize(("mode", "line"), LINES, ids=[f"{mode}-{line[1]}" for mode, line in LINES])
def test_every_line_of_probe_and_rotate_is_needed(stocked, mode, line):
    """Without any one line a call of the mode is refused for that very permission."""
    stocked.world.grant("backup", "gcp", granted(mode, SECRET, KEY, kinds=frozenset(), without=line))
    with pytest.raises(ProviderError) as caught:
        TRIES[mode](stocked)
    assert (caught.value.kind, caught.value.fact.action) == (ErrorKind.DENIED, line[1])
    assert "stripe" in caught.value.fact.resource or PAY in caught.value.fact.resource


@pytest.mark.parametrize("mode", list(AccessMode))
def test_role_files_are_what_gcloud_takes(mode):
    """YAML with title, stage and includedPermissions; the script creates each file's role and binds it once a place."""
    found = documents(mode, locators(*PRESENT), KINDS, PROJECT)
    files, script = found[:-1], found[-1]
    roles = set()
    for one in files:
        role = YAML(typ="safe").load(one.text)
        assert one.language == "yaml"
        assert (role["stage"], tuple(role["includedPermissions"])) == ("GA", one.actions)
        assert len(role["title"]) <= 100
        assert len(role["description"]) <= 300
        roles.add(role["title"])
    assert script.language == "sh"
    commands = [shlex.split(line) for line in script.text.splitlines() if line.startswith("gcloud ")]
    created = {words[4]: words[-1] for words in commands if words[1:4] == ["iam", "roles", "create"]}
    assert created == {role: f"--file={role}.yaml" for role in roles}
    bound = [words for words in commands if "add-iam-policy-binding" in words]
    assert len(bound) == len(script.actions)
    assert all(f"--role=projects/{PROJECT}/roles/" in words[-2] for words in bound)


def test_modes_without_use_yield_nothing():
    """Certificates are renewed by Google, accounts hold nothing to replace: no document is printed for them."""
    only = locators("certificate/global/www", f"cas-certificate/{POOL}/cn/api.example.com")
    for mode in (AccessMode.PROBE, AccessMode.ROTATE):
        assert documents(mode, only, frozenset(), PROJECT) == ()
    assert documents(AccessMode.ROTATE, locators(SELF), frozenset(), PROJECT) == ()
    assert documents(AccessMode.READ, (), frozenset(), PROJECT) == ()
    assert documents(AccessMode.PROBE, locators(KEY), frozenset(), PROJECT) == ()


def test_no_document_of_reading_holds_a_value():
    """Neither the role nor anything that acts as somebody else."""
    actions = {a for one in documents(AccessMode.READ, locators(*PRESENT), KINDS, PROJECT) for a in one.actions}
    assert not {a for a in actions if "access" in a.lower() or "actAs" in a or "create" in a or "update" in a}


def test_names_are_quoted_for_the_shell():
    """A locator is text from a file: it must not become a command."""
    (script,) = documents(AccessMode.FINGERPRINT, locators("secret/$(touch x);y"), frozenset(), PROJECT)[-1:]
    line = next(line for line in script.text.splitlines() if "gcloud secrets" in line)
    assert "'$(touch x);y'" in line
