"""What the adapter says about keys, roles and service credentials, and what a sweep costs; over real HTTP."""

import datetime as dt
import json

import pytest

from nhisync.clock import SystemClock
from nhisync.spi import Budget, InventoryRequest
from nhisync_aws.collectors import roles
from nhisync_aws.run import Run

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def test_sweep_of_keys_rests_on_the_report(aws, backup):
    """All users in two calls, with the report's own age; no ids, because the report has none."""
    aws.seed("access-key", "svc", created=300 * DAY, rotated=200 * DAY, used=4 * DAY)
    aws.seed("access-key", "idle", created=300 * DAY, rotated=None, keys=[])
    seen = backup.see(kinds="access-key")
    item = seen["access-key/svc"]
    now = aws.clock.now()
    assert (item.created.at, item.rotated.at, item.last_used.at) == (now - 300 * DAY, now - 200 * DAY, now - 4 * DAY)
    assert (item.source_as_of, item.ids, item.owner, item.lifecycle) == (now, (), "platform-oncall", "own")
    assert set(seen.items) == {"access-key/svc"}
    assert [(c.status, c.as_of, c.authoritative) for c in seen.coverage] == [("complete", now, False)]
    calls = aws.world.calls("backup", "aws")
    assert calls == {
        "sts:AssumeRole": 1,
        "iam:GenerateCredentialReport": 1,
        "iam:GetCredentialReport": 1,
        "iam:GetAccountAuthorizationDetails": 1,
    }


def test_wanted_user_is_asked_singly_and_freshly(aws, backup):
    """One ListAccessKeys gives ids and the state of now, although the report is hours old."""
    aws.seed("access-key", "svc", created=300 * DAY, rotated=200 * DAY)
    backup.see(kinds="access-key")
    aws.clock.advance(3 * HOUR)
    aws.world.reset_calls()
    item = backup.see("access-key/svc", kinds="access-key")["access-key/svc"]
    assert item.source_as_of is None
    assert [i.scheme for i in item.ids] == ["access-key-id"]
    assert item.ids[0].value == item.version
    assert item.version.startswith("AKIA")
    assert aws.world.calls()["iam:ListAccessKeys"] == 1
    assert "iam:GetAccessKeyLastUsed" not in aws.world.calls()


def test_first_key_of_a_user_is_no_rotation(aws, backup):
    """A key made together with its user is the first generation."""
    aws.seed("access-key", "svc", created=300 * DAY, rotated=None)
    for item in (
        backup.see(kinds="access-key")["access-key/svc"],
        backup.see("access-key/svc")["access-key/svc"],
    ):
        assert (item.created.at, item.rotated) == (aws.clock.now() - 300 * DAY, None)


@pytest.mark.parametrize(
    ("keys", "state", "pending"),
    [
        ([{"age": 90 * DAY}], "active", False),
        ([{"age": 90 * DAY, "status": "Inactive"}], "suspended", False),
        ([{"age": 90 * DAY, "status": "Inactive"}, {"age": 2 * DAY}], "active", False),
        ([{"age": 90 * DAY, "used": HOUR}, {"age": 2 * DAY}], "active", True),
    ],
)
def test_two_active_keys_are_an_unfinished_rotation(aws, backup, keys, state, pending):
    """Sweep and single read agree on state, generation and overlap."""
    aws.seed("access-key", "svc", created=300 * DAY, keys=keys)
    for item in (
        backup.see(kinds="access-key")["access-key/svc"],
        backup.see("access-key/svc")["access-key/svc"],
    ):
        assert item.state == state
        assert (item.rotation.pending_since is not None) is pending
        assert item.rotated.at == aws.clock.now() - keys[-1]["age"]


def test_overlap_without_a_report_asks_which_key_is_used(aws, backup):
    """Two active keys and no report: the last uses are asked for; one key: they are not."""
    aws.seed("access-key", "two", keys=[{"age": 90 * DAY, "used": HOUR}, {"age": 2 * DAY}])
    aws.seed("access-key", "one", keys=[{"age": 90 * DAY, "used": HOUR}])
    seen = backup.see("access-key/two", "access-key/one")
    assert seen["access-key/two"].last_used.at == aws.clock.now() - HOUR
    assert aws.world.calls()["iam:GetAccessKeyLastUsed"] == 2


@pytest.mark.requirement("R42")
def test_same_key_reached_from_two_regions_is_the_same_identity(aws, source_of):
    """IAM is global: two sources of one account show one access key id, which is what reuse is found by."""
    first = source_of("primary", "aws", region="eu-west-1")
    account = aws.world.account_of("primary", "aws")
    second = source_of("backup", "aws", account=account)
    aws.seed("access-key", "svc", path="primary")
    ids = {s.see("access-key/svc")["access-key/svc"].ids for s in (first, second)}
    assert len(ids) == 1


def test_one_key_of_a_user_can_be_named(aws, backup):
    """``access-key/<user>/<id>`` is that key, absent once it is gone."""
    aws.seed("access-key", "svc", keys=[{"age": DAY, "id": "AKIAFIXEDFIXEDFIXED1"}])
    seen = backup.see("access-key/svc/AKIAFIXEDFIXEDFIXED1", "access-key/svc/AKIAGONEGONEGONEGONE")
    assert seen["access-key/svc/AKIAFIXEDFIXEDFIXED1"].version == "AKIAFIXEDFIXEDFIXED1"
    assert seen["access-key/svc/AKIAGONEGONEGONEGONE"].presence == "absent"


@pytest.mark.parametrize("name", ["nobody", "idle"])
def test_user_or_key_that_is_not_there_is_absent(aws, backup, name):
    """No such user, and a user without keys: both are authoritative answers."""
    aws.seed("access-key", "idle", keys=[])
    item = backup.see(f"access-key/{name}", kinds="access-key")[f"access-key/{name}"]
    assert (item.presence, item.error) == ("absent", None)


def test_user_made_after_the_report_is_asked_singly(aws, backup):
    """A sweep with an older report still finds newer users, through their details."""
    aws.seed("access-key", "old")
    backup.see(kinds="access-key")
    aws.clock.advance(HOUR)
    aws.seed("access-key", "new", created=dt.timedelta(minutes=5), rotated=None)
    aws.seed("access-key", "new-idle", created=dt.timedelta(minutes=5), rotated=None, keys=[])
    seen = backup.see(kinds="access-key")
    assert set(seen.items) == {"access-key/old", "access-key/new"}
    assert seen["access-key/new"].ids
    assert seen["access-key/old"].source_as_of == aws.clock.now() - HOUR


def test_report_in_progress_is_waited_for_on_the_clock(aws, backup):
    """STARTED, then in progress: the adapter polls through the clock until the report is there."""
    aws.seed("access-key", "svc")
    aws.world.fault("backup", "aws", "slow_report", seconds=7)
    seen = backup.see(kinds="access-key")
    assert "access-key/svc" in seen.items
    assert sum(aws.clock.slept) >= 7


def test_somebody_elses_report_is_used_when_making_one_is_denied(aws, backup):
    """Without GenerateCredentialReport an existing report still answers."""
    aws.seed("access-key", "svc")
    backup.see(kinds="access-key")
    aws.world.fault("backup", "aws", "denied", action="iam:GenerateCredentialReport")
    assert "access-key/svc" in backup.see(kinds="access-key").items


def test_denied_report_is_denied_coverage_and_wanted_users_still_answer(aws, backup):
    """A sweep that is denied says which permission is missing; single reads are another matter."""
    aws.seed("access-key", "svc")
    aws.world.fault("backup", "aws", "denied", action="iam:*CredentialReport")
    seen = backup.see("access-key/svc", kinds="access-key")
    assert seen.status == {"access-key": "denied"}
    assert seen.coverage[0].error.action == "iam:GetCredentialReport"
    assert seen["access-key/svc"].presence == "present"


def test_denied_details_cost_owner_and_grants_only(aws, backup):
    """Without GetAccountAuthorizationDetails keys are still known; the coverage says what was lost."""
    aws.seed("access-key", "svc", created=300 * DAY, rotated=20 * DAY)
    aws.world.fault("backup", "aws", "denied", action="iam:GetAccountAuthorizationDetails")
    seen = backup.see(kinds="access-key")
    assert (seen["access-key/svc"].owner, dict(seen["access-key/svc"].attributes).get("rights")) == (None, None)
    assert seen.status == {"access-key": "partial"}
    assert seen.coverage[0].error.action == "iam:GetAccountAuthorizationDetails"


def test_attached_rights_are_named(aws, backup):
    """Grants are the names of attached policies, inline policies and groups."""
    from nhisync_aws.emulator.auth import iam

    aws.seed("access-key", "svc")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    backend = iam(aws.world.account_of("backup", "aws"))
    policy = backend.create_policy("", "/", document, "pay-read", [])
    backend.attach_user_policy(policy.arn, "svc")
    backend.put_user_policy("svc", "extra", document)
    backend.create_group("ops")
    backend.add_user_to_group("ops", "svc")
    rights = dict(backup.see("access-key/svc")["access-key/svc"].attributes)["rights"]
    assert rights == "group:ops, inline:extra, policy:pay-read"


def test_unchanged_user_is_not_told_again(aws, backup):
    """Equal ids, states, tags and rights mean the stored detail holds."""
    aws.seed("access-key", "svc", keys=[{"age": 90 * DAY}, {"age": 2 * DAY}])
    first = backup.see("access-key/svc")
    aws.world.reset_calls()
    second = backup.see("access-key/svc", known=first.markers)
    assert second.unchanged == ["access-key/svc"]
    assert "iam:GetAccessKeyLastUsed" not in aws.world.calls()


@pytest.mark.requirement("R39")
def test_role_shows_trust_boundary_and_issuer(aws, backup):
    """IAM's longest session bounds its age; the issuer of a trusted token is a dependency with its host's region."""
    issuer = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{issuer}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
            },
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ],
    }
    boundary = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    policies = {"pay": {"Version": "2012-10-17", "Statement": []}}
    aws.seed("role", "task", trust=trust, boundary=boundary, used=4 * DAY, max_session=7200, policies=policies)
    seen = backup.see("role/task", kinds="role")
    item = seen["role/task"]
    now = aws.clock.now()
    assert (item.rotated.at, item.rotated.precision) == (now - 12 * HOUR, "lower-bound")
    assert item.last_used.at == now - 4 * DAY
    assert (item.lifecycle, item.owner) == ("own", "platform-oncall")
    assert dict(item.attributes)["rights"] == "inline:pay"
    assert [(d.kind, d.id, d.region) for d in item.dependencies] == [("issuer", issuer, "eu-west-1")]
    shown = dict(item.attributes)
    assert shown["boundary"].endswith("policy/task-boundary")
    assert "ecs-tasks.amazonaws.com" in shown["trusts"]
    assert seen.status == {"role": "complete"}
    assert seen.coverage[0].authoritative


def test_role_named_without_a_sweep_is_read_singly(aws, backup):
    """GetRole answers for one role, and proves that another is not there."""
    aws.seed("role", "task")
    seen = backup.see("role/task", "role/none")
    assert seen["role/task"].presence == "present"
    assert "rights" not in dict(seen["role/task"].attributes)
    assert seen["role/task"].rotated.at == aws.clock.now() - HOUR
    assert seen["role/none"].presence == "absent"
    assert aws.world.calls()["iam:GetRole"] == 2


def test_role_is_told_again_each_day(aws, backup):
    """Unchanged within a day; the next day its session age is renewed."""
    aws.seed("role", "task")
    first = backup.see("role/task")
    assert backup.see("role/task", known=first.markers).unchanged == ["role/task"]
    aws.clock.advance(DAY)
    assert backup.see("role/task", known=first.markers)["role/task"].rotated.at > first["role/task"].rotated.at


def test_service_credentials_by_service_and_user(aws, backup):
    """Two of one service are an overlap; an expiring one has its end; a complete list proves absence."""
    git, keyspaces = "codecommit.amazonaws.com", "cassandra.amazonaws.com"
    aws.seed("service-credential", f"{git}/svc", created=90 * DAY, rotated=3 * DAY, count=2)
    aws.seed("service-credential", f"{keyspaces}/svc", created=9 * DAY, rotated=None, expires=21 * DAY)
    seen = backup.see(f"service-credential/{git}/svc", f"service-credential/{git}/nobody", kinds="service-credential")
    both = seen[f"service-credential/{git}/svc"]
    now = aws.clock.now()
    assert (both.created.at, both.rotated.at) == (now - 90 * DAY, now - 3 * DAY)
    assert both.rotation.pending_since == now - 3 * DAY
    single = seen[f"service-credential/{keyspaces}/svc"]
    assert (single.expires.at, single.rotated, single.rotation.pending_since) == (now + 21 * DAY, None, None)
    assert seen[f"service-credential/{git}/nobody"].presence == "absent"
    assert set(seen.status.values()) == {"complete"}
    assert aws.world.calls()["iam:ListServiceSpecificCredentials"] == 4


def test_only_the_named_service_is_listed(aws, backup):
    """A pair that names one service's credential costs one list."""
    aws.seed("service-credential", "codecommit.amazonaws.com/svc", status="Inactive")
    name = "service-credential/codecommit.amazonaws.com/svc"
    assert backup.see(name)[name].state == "suspended"
    assert aws.world.calls()["iam:ListServiceSpecificCredentials"] == 1


def test_only_services_of_requested_kinds_are_contacted(aws, backup):
    """A run about certificates speaks to ACM (and to STS for its session), to nobody else."""
    aws.seed("certificate", "api.example.com")
    backup.see(kinds="certificate")
    assert {name.partition(":")[0] for name in aws.world.calls()} == {"sts", "acm"}


def test_kind_that_does_not_exist_is_unsupported(backup):
    """A kind of another provider, or a misspelt one, is answered as such; nobody is contacted for it."""
    seen = backup.see("ssh-key/maps", kinds="ssh-key")
    assert seen["ssh-key/maps"].presence == "unsupported"
    assert seen.status == {"ssh-key": "unsupported"}


def test_prefixes_narrow_every_kind(aws, backup):
    """A sweep by prefixes yields only items below them."""
    for name in ("pay-a", "other-b"):
        aws.seed("access-key", name)
        aws.seed("role", name)
        aws.seed("certificate", f"{name}.example.com")
    kinds = "access-key role certificate"
    seen = backup.see(kinds=kinds, prefixes=dict.fromkeys(kinds.split(), ("pay",)))
    assert set(seen.items) == {"access-key/pay-a", "role/pay-a", "certificate/pay-a.example.com"}


@pytest.mark.requirement("R4b")
def test_large_sweep_stays_within_25_calls(aws, backup):
    """2,000 secrets, 300 users with two keys each and 50 certificates: 25 calls in all, the session's own included."""
    for number in range(2_000):
        aws.seed("secret", f"bulk/{number:05d}", rotated=None)
    for number in range(300):
        aws.seed("access-key", f"svc-{number:03d}", keys=[{"age": 90 * DAY}, {"age": DAY, "status": "Inactive"}])
    for number in range(50):
        aws.seed("certificate", f"h{number}.example.test")
    wanted = [f"access-key/svc-{n:03d}" for n in range(7)]
    provider = backup.provider()
    provider.identify(backup.budget())
    seen = backup.see(*wanted, kinds="secret access-key certificate")
    assert len(seen.items) == 2_350
    calls = aws.world.calls("backup", "aws")
    assert calls.pop("iam:ListAccessKeys") == 7
    assert calls.pop("sts:AssumeRole") == 2  # two adapters in this test, one session each
    assert calls.total() + 1 <= 25


def test_what_nobody_foresaw_costs_one_item(backup):
    """A role whose numbers no calendar has, listed or read, is its own typed answer, and the run goes on."""
    provider = backup.provider()
    request = InventoryRequest(budget=Budget(SystemClock(), seconds=60))
    run = Run(provider._connection, provider._settings, provider._context, request)
    odd, fine = run.locator("role", "odd"), run.locator("role", "fine")
    rows = {"odd": {"RoleName": "odd", "MaxSessionDuration": 10**20}, "fine": {"RoleName": "fine"}}
    read = run.each([odd, fine], lambda locator: [roles._item(run, locator, rows[locator.name])])
    listed = [one for locator in (odd, fine) for one in run.row(locator, roles._known, rows[locator.name])]
    for seen in (list(read), listed):
        found = {one.locator.name: one for one in seen}
        assert (found["odd"].presence.value, found["odd"].error.kind) == ("unknown", "malformed")
        assert found["fine"].presence.value == "present"
