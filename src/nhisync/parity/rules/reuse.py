"""Family 4, reuse and lifecycle class: equivalent, not equal (R31, R42, R44).

A pair that is shared by design, and still in force, is allowed to share: NHS401 to NHS404 and NHS407 pass, and NHS406
asks for its owner and its end. Public identifiers are compared, never shown: a role id helps whoever found a secret id.
"""

import re
from functools import lru_cache

from nhisync.model import COPY_SCHEMES, SHARED_TARGET_SCHEMES, Consequence, Layer, Lifecycle, Severity, Side
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import OWNERSHIP, REUSE, ROTATION
from nhisync.parity.rules.facts import ENDLESS_MARK, UNREADABLE, UnreadableError, endless_of
from nhisync.parity.rules.sides import PRESENT, answered, either
from nhisync.parity.text import clean, listed, when

_REPLICA = Lifecycle.REPLICA.value
_SHARED = Lifecycle.SHARED.value
_STATIC = Lifecycle.STATIC.value
_UNKNOWN = Lifecycle.UNKNOWN.value

_REQUEST_TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
"""AWS SDKs and rotation functions draw UUIDs as ClientRequestToken, which becomes the version's id. Counters, serial
numbers and digests of public content may well be equal on both paths."""

_SAME = {
    "access-key-id": "the access key",
    "spki-sha256": "the key pair of the certificate",
    "issuer-serial": "the certificate",
    "role-id": "the AppRole role id",
    "service-account": "the service account",
    "token-accessor": "the token",
    "secret-version": "the version of the secret, as a restored backup does",
    "file": "the file itself, by another name or link",
    "resource": "the very same item of one account",
}

EQUAL_VALUE = RuleInfo(
    code="NHS401",
    title="equal value on both paths",
    severity=Severity.ERROR,
    layer=Layer.INDEPENDENT,
    consequence=Consequence.EXPOSURE,
    block="REUSED",
    compared="Where value comparison is switched on: a child process reads the values of both paths, compares them by "
    "a digest under a key that lives for one run, and tells only which items are equal.",
    hurts="One leak opens both paths, and revoking the leaked value on the primary takes the backup down in the very "
    "incident in which it is needed.",
    false_alarm="The field is not a secret (a user name, a host). Name the secret field in the pair with #field. If "
    "one value is unavoidable, declare the pair shared, with owner and end.",
    remediation={
        "aws": "Let the backup's own rotation give it a value of its own (aws secretsmanager rotate-secret in its "
        "region), and remove the job that copies it",
        "azure": "Write a value of its own into the backup's vault (az keyvault secret set --file …); remove the job "
        "that copies it",
        "vault": "Issue the value in the backup cluster, and remove the sync or the script that copies it",
        "file": "Let the backup host's agent obtain its own value instead of a copy",
        "*": "Give the backup of {app}/{pair} a value of its own through its own lifecycle, and remove whatever "
        "copies it",
    },
    policy=("evidence.compare_values",),
    frameworks=REUSE,
)


def check_equal_value(view: PairView) -> Outcome | None:
    """Fail when the backup's value stands on the primary path too; None when it does not, or was not compared."""
    p, b = view.primary, view.backup
    if p is None or b is None or b.group is None or not view.present:
        return None
    if view.shared:
        return PASS
    where = "the primary's value" if p.group == b.group else "a value that stands on another path too"
    return fail(Side.PAIR, f"the backup holds {where}", "a value of its own")


SAME_CREDENTIAL = RuleInfo(
    code="NHS402",
    title="same credential on both paths",
    severity=Severity.ERROR,
    layer=Layer.INDEPENDENT,
    consequence=Consequence.EXPOSURE,
    block="REUSED",
    compared="Public identifiers that only one credential can have: access key id, public key of the certificate, "
    "issuer and serial number, AppRole role id, unique id of the service account, token accessor, the random id of a "
    "secret's version (a restored backup keeps it), the file behind its names and links, a cloud's own name of "
    "the item. No value is read.",
    hurts="It is one credential in two places: one leak or one revocation hits both paths, and neither can be rotated "
    "without the other.",
    false_alarm="Both locators lead to one global item (an IAM user exists once per account). Then the pair is shared "
    "by design: declare it so, with owner and end, or give the backup an identity of its own.",
    remediation={
        "aws": "Create a second access key, or better a second user, for the backup: aws iam create-access-key; an "
        "imported certificate needs a key of its own",
        "azure": "Register an application of its own for the backup (az ad app create); never restore a vault's backup",
        "gcp": "Create a service account of its own for the backup (gcloud iam service-accounts create …); one project "
        "on both paths shows the same accounts to both",
        "vault": "Create an AppRole or token of its own in the backup cluster, never with custom-secret-id or a "
        "copied role id",
        "tls": "Issue the backup's certificate on a new private key; copying the key file is what this found",
        "file": "Let the backup host's agent enrol by itself instead of receiving the file",
        "kubernetes": "Issue the backup's Certificate on its own key (privateKey.rotationPolicy: Always), and stop "
        "copying the Secret between clusters",
        "postgres": "CREATE ROLE … LOGIN of its own on a server of the backup's own; a restored copy is one target",
        "acme": "certbot register on the backup host and renew with --new-key; never copy /etc/letsencrypt between "
        "hosts",
        "*": "Issue a credential of its own to the backup of {app}/{pair}, then retire the shared one",
    },
    frameworks=REUSE,
)


def check_same_credential(view: PairView) -> Outcome | None:
    """Fail when the same credential stands on both sides by its public ids; None without ids on each side."""
    found = _common(view, _CREDENTIALS)
    if not found:
        return None if found is None else PASS
    if view.shared:
        return PASS
    told = sorted({_SAME[line.partition("=")[0]] for line in found})
    return fail(Side.PAIR, f"both paths hold {listed(told)}", "an identity of its own on each path")


REPLICA = RuleInfo(
    code="NHS403",
    title="counterpart is a replica",
    severity=Severity.ERROR,
    layer=Layer.INDEPENDENT,
    consequence=Consequence.OUTAGE,
    block="REUSED",
    compared="Whether either item is a provider's replica (its value and rotation belong to another region), and "
    "whether both sides are one and the same cluster or replicate each other.",
    hurts="A replica cannot be rotated while its source is gone, and it carries every mistake and every leak of the "
    "source. A replica is a copy, whatever its provider calls it.",
    false_alarm="The value is public, or it cannot differ (a partner issues one key only). Declare the pair shared, "
    "with owner and end.",
    remediation={
        "aws": "Create a secret of its own in the backup's region with its own rotation function; stop the "
        "replication of {pair} (aws secretsmanager remove-regions-from-replication)",
        "vault": "Serve the backup from a cluster of its own, not from a performance or DR secondary of the primary's",
        "file": "Stop copying the file; let the backup host's agent obtain its own",
        "kubernetes": "Serve the backup from a cluster of its own; a namespace of the primary's cluster goes down "
        "with it",
        "postgres": "Serve the backup from a server that accepts writes: a standby's roles are the primary's",
        "*": "Give {app}/{pair} an identity on the backup that the backup can rotate alone",
    },
    frameworks=(*REUSE, "800-53r5:CP-7(1)"),
)


def check_replica(view: PairView) -> Outcome | None:
    """Fail when one side is a replica or both are one cluster; None when nothing is known of either."""
    p, b = view.primary, view.backup
    if p is None or b is None or not view.present:
        return None
    replica_b, replica_p = b.lifecycle == _REPLICA, p.lifecycle == _REPLICA
    cluster = _common(view, _CLUSTERS)
    if not replica_b and not replica_p and not cluster:
        known = cluster is not None or b.lifecycle != _UNKNOWN or p.lifecycle != _UNKNOWN
        return PASS if known else None
    if view.shared:
        return PASS
    expected = "an item that its own side can rotate"
    if not replica_b and not replica_p:
        return fail(Side.PAIR, "both sides are one cluster", expected)
    text = "a replica: value and rotation belong to another side"
    return either(fail, text if replica_b else None, text if replica_p else None, expected)


SHARED_TARGET = RuleInfo(
    code="NHS404",
    title="both sides drive one account",
    severity=Severity.ERROR,
    layer=Layer.INDEPENDENT,
    consequence=Consequence.OUTAGE,
    block="REUSED",
    compared="Whether both identities log in as the same account of the same target (host and name), or a provider "
    "says that an item is shared.",
    hurts="Whenever one side rotates the account, the other side's password stops working: the two lifecycles break "
    "each other, most likely during a failover.",
    false_alarm="The two names resolve to different hosts that only look alike (split DNS). Name the hosts "
    "differently in the connection settings.",
    remediation={
        "aws": "Create a second account at the target for the backup (alternating users), and let the backup's secret "
        "rotate that one",
        "vault": "Create a second database user, and point the backup cluster's static role at it (username=…)",
        "file": "Create a second account at the target, and let the backup host's agent use it",
        "postgres": "CREATE ROLE … LOGIN for the backup alone, with the same memberships, and let the backup use it",
        "*": "Give the backup of {app}/{pair} an account of its own at the target",
    },
    frameworks=REUSE,
)


def check_shared_target(view: PairView) -> Outcome | None:
    """Fail when both sides drive one account; None when nothing is known of it."""
    p, b = view.primary, view.backup
    if p is None or b is None or not view.present:
        return None
    told = _SHARED in (b.lifecycle, p.lifecycle)
    logins = _common(view, _LOGINS)
    if not told and not logins:
        known = logins is not None or b.lifecycle != _UNKNOWN or p.lifecycle != _UNKNOWN
        return PASS if known else None
    if view.shared:
        return PASS
    observed = "both paths log in to one account" if logins else "the provider calls the item shared"
    return fail(Side.PAIR, observed, "an account of its own on each path")


STATIC = RuleInfo(
    code="NHS405",
    title="backup credential is static",
    severity=Severity.ERROR,
    layer=Layer.INDEPENDENT,
    consequence=Consequence.EXPOSURE,
    block="ROTATION_DRIFT",
    compared="Whether the backup's item has a lifecycle at all: a rotation of its own provider, or an issuer that "
    "makes it end.",
    hurts="A value that nobody rotates on the backup is the copied static secret by another name: different today, "
    "never renewed, unknown to everyone when it is needed.",
    false_alarm="The backup is rotated by a tool that the provider does not show. Let that tool mark its rotations "
    "in the provider (schedule, metadata), or declare who rotates it.",
    remediation={
        "aws": "Attach a rotation function or managed rotation (aws secretsmanager rotate-secret "
        "--rotation-lambda-arn …), or use a role instead of a stored key",
        "azure": "Let a function on the backup's side rotate it (event SecretNearExpiry), or use a managed identity",
        "gcp": "Give the secret a schedule that somebody acts on (gcloud secrets update --rotation-period … --topics "
        "…) or managed rotation, or use a service account without keys",
        "vault": "Move the value from KV to an engine that rotates it (database static role, AppRole secret-id, pki)",
        "file": "Let an agent on the backup host own the file, with a timer",
        "kubernetes": "Replace it by what the cluster renews: a bound token, a Certificate, or a Secret that an "
        "operator rotates",
        "*": "Give {app}/{pair} a rotation of its own on the backup",
    },
    frameworks=ROTATION,
)


def check_static(view: PairView) -> Outcome | None:
    """Fail when nobody rotates the backup's item; None when its class is not known (its age judges it: NHS207)."""
    b = view.backup
    if b is None or b.presence != PRESENT or b.lifecycle == _UNKNOWN:
        return None
    if b.lifecycle != _STATIC:
        return PASS
    return fail(Side.BACKUP, "nobody rotates it", "a lifecycle of its own on the backup")


SHARED_TERMS = RuleInfo(
    code="NHS406",
    title="shared pair without terms",
    severity=Severity.ERROR,
    layer=Layer.INDEPENDENT,
    consequence=Consequence.EXPOSURE,
    block="REUSED",
    compared="For pairs declared shared by design: that somebody answers for it, and that its end has not passed.",
    hurts="A shared credential is an accepted risk for a time. Without owner and end it becomes the normal state, and "
    "one revocation takes both paths down.",
    false_alarm="The need was reviewed and still holds. Write the new end and the reason into the pair.",
    remediation={
        "*": "Separate the two identities of {app}/{pair}; or renew owner, until and reason of the pair after a review",
    },
    frameworks=(*OWNERSHIP, "NHI9:2025", "CSF2:ID.RA-07"),
)


def check_shared_terms(view: PairView) -> Outcome | None:
    """Fail for a shared pair that has no owner or has ended; None for a pair that is not shared."""
    if view.shared_until is None:
        return None
    if not view.shared:
        return fail(Side.PAIR, f"was shared by design until {when(view.shared_until)}", "a shared pair in force")
    if not view.shared_owner.strip():
        return fail(Side.PAIR, "shared by design, and nobody answers for it", "an owner")
    return PASS


SAME_VERSION = RuleInfo(
    code="NHS407",
    title="equal version id on both paths",
    severity=Severity.INFO,
    layer=Layer.INDEPENDENT,
    consequence=Consequence.EXPOSURE,
    block="REUSED",
    compared="The providers' ids of both current versions, where they are UUIDs: such an id is the token of the "
    "request that wrote the version.",
    hurts="One script wrote both sides with one request token: it probably wrote one value, too. This is a hint; "
    "different ids prove nothing.",
    false_alarm="The script writes two values under one token. Let it draw a token for each side.",
    remediation={
        "aws": "Compare the values once (evidence.compare_values), and let each region's own rotation write its secret",
        "*": "Find what wrote both versions of {app}/{pair}; switch on evidence.compare_values to be sure",
    },
    policy=("evidence.compare_values",),
    frameworks=REUSE,
)


def check_same_version(view: PairView) -> Outcome | None:
    """Fail when both current versions carry one request token; None when an id is missing or no such token."""
    p, b = view.primary, view.backup
    if p is None or b is None or b.version is None or p.version is None or not view.present:
        return None
    if b.version != p.version:
        return PASS if _is_token(b.version) and _is_token(p.version) else None
    if not _is_token(b.version) or _common(view, _CREDENTIALS):
        return None
    if view.shared:
        return PASS
    return fail(Side.PAIR, f"both current versions are {b.version}", "versions written separately")


def _never(endless: str) -> str | None:
    return (clean(endless) or "it can never end") if endless else None


def _is_token(version: str) -> bool:
    return _REQUEST_TOKEN.match(version) is not None


ENDLESS = RuleInfo(
    code="NHS408",
    title="credential can never end",
    severity=Severity.ERROR,
    layer=Layer.INDEPENDENT,
    consequence=Consequence.EXPOSURE,
    block="ROTATION_DRIFT",
    compared="Whether either credential is of a form that its own provider gives no end, although the same provider "
    "issues ones that end: a Kubernetes service account token from a Secret. Age does not matter.",
    hurts="Nothing renews it and nothing ends it: whoever copied it once gets in as long as its account exists, and "
    "the successor that a failover would need has never been issued.",
    false_alarm="A consumer outside the cluster cannot ask for tokens yet. Waive it with an end, and let a timer "
    "beside that consumer write bound tokens until then.",
    remediation={
        "kubernetes": "Let pods use projected tokens (serviceAccountToken volume); for others write a bound one from a "
        "timer: kubectl create token ACCOUNT --duration=…; then delete the Secret of {pair}",
        "*": "Replace {app}/{pair} by a credential that its provider ends and renews, then revoke this one",
    },
    frameworks=ROTATION,
)


def check_endless(view: PairView) -> Outcome | None:
    """Fail for each side whose credential can never end; None when that is known of neither."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    here, there = None if b is None else b.detail, None if p is None else p.detail
    if (here is None or ENDLESS_MARK not in here) and (there is None or ENDLESS_MARK not in there):
        return None
    try:
        backup, primary = endless_of(b), endless_of(p)
    except UnreadableError:
        return unknown(Side.PAIR, UNREADABLE, "whether it can end")
    if not backup and not primary:
        return None
    return either(fail, _never(backup), _never(primary), "a credential that ends and is renewed")


_CREDENTIALS, _LOGINS, _CLUSTERS = range(3)
"""What identifiers stand for; the place of each in `_held`."""

_KEPT = 8
"""Two sides of one pair, with room for a caller that looks ahead."""


def _common(view: PairView, kind: int) -> frozenset[str] | None:
    """Identifiers of one kind that both sides have; None when one side has none of them."""
    p, b = view.primary, view.backup
    if p is None or b is None or p.ids is None or b.ids is None or not view.present:
        return None
    here, there = _held(b.ids)[kind], _held(p.ids)[kind]
    return here & there if here and there else None


@lru_cache(maxsize=_KEPT)
def _held(ids: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The lines of `Row.ids` that name a credential, an account at a target, a cluster."""
    lines = [(line.partition("=")[0], line) for line in ids.split("\n")]
    return (
        frozenset(line for scheme, line in lines if scheme in COPY_SCHEMES),
        frozenset(line for scheme, line in lines if scheme in SHARED_TARGET_SCHEMES),
        frozenset(line for scheme, line in lines if scheme == "cluster-id"),
    )


RULES = (
    Rule(EQUAL_VALUE, check_equal_value, ("group",)),
    Rule(SAME_CREDENTIAL, check_same_credential, ("ids",)),
    Rule(REPLICA, check_replica, ("lifecycle", "ids")),
    Rule(SHARED_TARGET, check_shared_target, ("lifecycle", "ids")),
    Rule(STATIC, check_static, ("backup.lifecycle",)),
    Rule(SHARED_TERMS, check_shared_terms),
    Rule(SAME_VERSION, check_same_version, ("version", "ids")),
    Rule(ENDLESS, check_endless, ("detail",)),
)
