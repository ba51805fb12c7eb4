"""Family 7, region and dependency boundness: the backup needs nothing that goes down with the primary (R39).

Only the backup is asked where it stands: the primary is meant to lie in its own fault domain. A dependency that also
exists elsewhere (a multi-Region key) is not bound.
"""

from collections.abc import Callable

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import SEPARATION
from nhisync.parity.rules.facts import DependencyRow, dependencies_of
from nhisync.parity.rules.sides import PRESENT, answered, either
from nhisync.parity.text import clean, listed

_KMS_KEY = "kms-key"
_ROTATION_FUNCTION = "rotation-function"

_NOT_USABLE = ('"usable":false', '"usable": false')
_NO_REGION = ('"region":null', '"region": null')

ITEM_BOUND = RuleInfo(
    code="NHS701",
    title="backup stands in the primary's domain",
    severity=Severity.ERROR,
    layer=Layer.DEPENDENCIES,
    consequence=Consequence.OUTAGE,
    block="REGION_BOUND",
    compared="The fault domain of the backup's item, and what its path declares to fail with (fault_domains), with the "
    "fault domains of the primary path.",
    hurts="What takes the primary down takes this credential along: the backup is a second address of the same "
    "failure.",
    false_alarm="Provider and region have one name and two failures (two data centres of one region). List the "
    "fault_domains of both paths in the configuration.",
    remediation={
        "aws": "Create the item in the backup's own region; an ARN with the primary's region is the sign",
        "azure": "Create the item in a vault of the backup's own region; a vault's paired-region copy is the "
        "primary's vault",
        "vault": "Serve the backup from a cluster in the backup's region, with storage of its own",
        "tls": "Terminate TLS for the backup in its own region",
        "file": "Keep the file on a host of the backup's own region",
        "postgres": "Serve the backup from a server in the backup's own region, with roles of its own",
        "acme": "Issue on a host of the backup's own region, with an account of its own there",
        "*": "Move the backup's half of {app}/{pair} out of the primary's fault domain",
    },
    frameworks=SEPARATION,
)


def check_item_bound(view: PairView) -> Outcome | None:
    """Fail when the backup's item lies in a fault domain of the primary; None when a domain is not known (NHS706).

    What both paths declare takes all of the backup along, wherever the item itself stands.
    """
    b = view.backup
    if b is None or b.presence != PRESENT or not view.primary_domains:
        return None
    if view.common_domains:
        told = f"both paths fail with {listed(sorted(view.common_domains))}"
        return fail(Side.BACKUP, told, "a fault domain of the backup's own")
    if b.domain is None:
        return None
    if b.domain not in view.primary_domains:
        return PASS
    return fail(Side.BACKUP, f"stands in {clean(b.domain, 80)}", "a fault domain of the backup's own")


KEY_BOUND = RuleInfo(
    code="NHS702",
    title="encryption key bound to the primary",
    severity=Severity.ERROR,
    layer=Layer.DEPENDENCIES,
    consequence=Consequence.OUTAGE,
    block="REGION_BOUND",
    compared="Where the key that encrypts the backup's item exists; a single-region key in a fault domain of the "
    "primary is bound to it.",
    hurts="The secret is there, but it cannot be decrypted: every read on the backup fails while the primary's "
    "region is gone.",
    false_alarm="The key is multi-region and the provider did not say so to nhisync. Grant kms:DescribeKey.",
    remediation={
        "aws": "Encrypt {pair} with a key of the backup's region, or with a replica of a multi-Region key (mrk-…): aws "
        "secretsmanager update-secret --kms-key-id …",
        "gcp": "A key stands in its secret's location: create the secret in the backup's location (or with automatic "
        "replication) and its Cloud KMS key there, because replication cannot be changed",
        "vault": "Use an auto-unseal or transit key of the backup's own region",
        "*": "Encrypt the backup's half of {app}/{pair} with a key that exists in the backup's fault domain",
    },
    frameworks=SEPARATION,
)


def check_key_bound(view: PairView) -> Outcome | None:
    """Fail when the backup's encryption key exists only with the primary; None without bound dependencies."""
    return _bound(view, _is_key, "a key in the backup's own fault domain")


FUNCTION_BOUND = RuleInfo(
    code="NHS703",
    title="rotation bound to the primary",
    severity=Severity.ERROR,
    layer=Layer.DEPENDENCIES,
    consequence=Consequence.INCONSISTENCY,
    block="REGION_BOUND",
    compared="Where the function that rotates the backup's item exists.",
    hurts="Credentials keep working at first, and then nothing rotates them: during a long outage the backup ages, "
    "and a leak cannot be answered by a rotation.",
    false_alarm="The function's name is regional, its code runs in both (an edge or global service). Declare the "
    "fault_domains.",
    remediation={
        "aws": "Deploy the rotation function in the backup's region, and attach it: aws secretsmanager rotate-secret "
        "--rotation-lambda-arn …",
        "*": "Run the rotation of the backup's half of {app}/{pair} in the backup's fault domain",
    },
    frameworks=SEPARATION,
)


def check_function_bound(view: PairView) -> Outcome | None:
    """Fail when the backup's rotation function exists only with the primary; None without bound dependencies."""
    return _bound(view, _is_function, "a rotation function in the backup's own fault domain")


DEPENDENCY_BOUND = RuleInfo(
    code="NHS704",
    title="issuer or dependency bound to primary",
    severity=Severity.ERROR,
    layer=Layer.DEPENDENCIES,
    consequence=Consequence.OUTAGE,
    block="REGION_BOUND",
    compared="Where everything else exists that the backup's item needs: issuer, master secret, replication source, "
    "identity provider, queue.",
    hurts="Short-lived credentials can no longer be issued and logins no longer be checked, minutes after the switch "
    "or at once.",
    false_alarm="The dependency is only used at set-up time. Remove it from the item's settings, so that it cannot be "
    "used at run time.",
    remediation={
        "aws": "Use the regional endpoint, issuer or master secret of the backup's region (regional STS, a private CA "
        "per region)",
        "azure": "Give the backup's vault an issuer of its own (az keyvault certificate issuer create), with an "
        "account that does not depend on the primary's region",
        "vault": "Give the backup cluster an issuer and database connections of its own region (vault write "
        "database/config/…, pki/config/issuers)",
        "acme": "Use an authority and a DNS provider that the backup reaches when the primary's region is gone; a "
        "second authority is best",
        "*": "Give the backup's half of {app}/{pair} an issuer and dependencies in its own fault domain",
    },
    frameworks=SEPARATION,
)


def check_dependency_bound(view: PairView) -> Outcome | None:
    """Fail when anything else the backup needs exists only with the primary; None without bound dependencies."""
    hit = _hit(view)
    if not hit:
        return None if hit is None else PASS
    found = _in_domains(view.backup, hit, _is_other)
    if not found and not _in_domains(view.backup, hit, _is_any):
        found = [f"something in {domain}" for domain in sorted(hit)]
    return fail(Side.BACKUP, f"needs {listed(found)}", "dependencies in its own fault domain") if found else PASS


UNUSABLE = RuleInfo(
    code="NHS705",
    title="dependency not usable",
    severity=Severity.ERROR,
    layer=Layer.DEPENDENCIES,
    consequence=Consequence.OUTAGE,
    block="REGION_BOUND",
    compared="Whether the providers call everything that the items need usable: keys enabled, issuers in force, "
    "functions active.",
    hurts="A disabled key or issuer fails at the first read or renewal after the switch, although every credential "
    "looks current.",
    false_alarm="The key was disabled on purpose and nothing needs it any more. Remove it from the item's settings.",
    remediation={
        "aws": "Enable the key (aws kms enable-key, or cancel-key-deletion), or encrypt {pair} with another one",
        "azure": "Repair the issuer's account (az keyvault certificate issuer update), or issue {pair} under another "
        "issuer",
        "vault": "Unseal the cluster or enable the issuer, then: nhisync diff primary backup --app {app}",
        "kubernetes": "kubectl describe clusterissuer … (or issuer) tells why it is not ready; repair its account "
        "or CA",
        "acme": "Repair the account at the authority or its directory's address; else issue on the backup host with "
        "another authority: certbot certonly --server …",
        "*": "Bring the dependency of {app}/{pair} back into use, or replace it",
    },
    frameworks=(*SEPARATION, "800-53r5:SC-12"),
)


def check_unusable(view: PairView) -> Outcome | None:
    """Fail for each side with an unusable dependency; None when no dependency is known."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    if not _has(b, *_NOT_USABLE) and not _has(p, *_NOT_USABLE):
        return PASS if _depends(b) or _depends(p) else None
    return either(fail, _unusable(b), _unusable(p), "usable dependencies")


WHERE_UNKNOWN = RuleInfo(
    code="NHS706",
    title="fault domain not known",
    severity=Severity.WARNING,
    layer=Layer.DEPENDENCIES,
    consequence=Consequence.OUTAGE,
    block="REGION_BOUND",
    compared="Whether the fault domains of the primary path, of the backup's item and of everything it needs are "
    "known.",
    hurts="What may lie in the primary's region cannot be counted on when that region is gone.",
    false_alarm="The dependency has no place (a global service). Then say so by fault_domains of its source.",
    remediation={
        "aws": "Set region of the source; grant kms:DescribeKey so that multi-region keys are told apart",
        "azure": "Set region of the source; for applications set region (or fault_domains) of the path in nhisync.yaml",
        "vault": "Set region (or fault_domains) of the path in nhisync.yaml",
        "tls": "Set region (or fault_domains) of the path in nhisync.yaml",
        "file": "Set region (or fault_domains) of the path in nhisync.yaml",
        "postgres": "Set region (or fault_domains) of the path in nhisync.yaml",
        "acme": "Set region (or fault_domains) of the path in nhisync.yaml",
        "*": "Name region or fault_domains of both paths in nhisync.yaml",
    },
    frameworks=SEPARATION,
    fails=False,
)


def check_where_unknown(view: PairView) -> Outcome | None:
    """Unknown when a fault domain is not known; None when the backup's item is not."""
    b = view.backup
    if b is None or b.presence != PRESENT:
        return None
    if not view.primary_domains:
        return unknown(Side.PRIMARY, "the primary path names no region", "known fault domains")
    if b.domain is None:
        return unknown(Side.BACKUP, "the region of the item is not known", "known fault domains")
    if not _has(b, *_NO_REGION):
        return PASS
    lost = [_name(d) for d in dependencies_of(b) if d.region is None and not d.multi_region]
    if not lost:
        return PASS
    return unknown(Side.BACKUP, f"the region is not known of {listed(lost)}", "known fault domains")


def _hit(view: PairView) -> frozenset[str] | None:
    """Fault domains of the primary to which the backup is bound; None when nothing of it is bound or known."""
    b = view.backup
    if b is None or b.bound is None or b.domain is None or b.presence != PRESENT:
        return None
    domains = view.primary_domains
    return domains.intersection(b.bound.split("\n")) if domains else None


def _bound(view: PairView, wanted: Callable[[str], bool], expected: str) -> Outcome | None:
    hit = _hit(view)
    if not hit:
        return None if hit is None else PASS
    found = _in_domains(view.backup, hit, wanted)
    return fail(Side.BACKUP, f"needs {listed(found)}", expected) if found else PASS


def _in_domains(row: Row | None, domains: frozenset[str], wanted: Callable[[str], bool]) -> list[str]:
    """Dependencies of wanted kinds that exist only in `domains`, in words."""
    provider = "" if row is None or row.domain is None else row.domain.partition("/")[0]
    return [
        f"{_name(d)} in {clean(d.region or '', 40)}"
        for d in dependencies_of(row)
        if wanted(d.kind) and d.region and not d.multi_region and f"{provider}/{d.region}" in domains
    ]


def _is_key(kind: str) -> bool:
    return kind == _KMS_KEY


def _is_function(kind: str) -> bool:
    return kind == _ROTATION_FUNCTION


def _is_other(kind: str) -> bool:
    return kind not in {_KMS_KEY, _ROTATION_FUNCTION}


def _is_any(_: str) -> bool:
    return True


def _has(row: Row | None, mark: str, spaced: str) -> bool:
    """Whether the detail is worth decoding: it contains the mark in one of JSON's two spellings."""
    detail = None if row is None else row.detail
    return detail is not None and (mark in detail or spaced in detail)


def _depends(row: Row | None) -> bool:
    return row is not None and row.detail is not None and '"dependencies"' in row.detail


def _unusable(row: Row | None) -> str | None:
    found = [
        f"{_name(d)}{f' ({clean(d.detail, 80)})' if d.detail else ''}"
        for d in dependencies_of(row)
        if d.usable is False
    ]
    return f"not usable: {listed(found)}" if found else None


def _name(dependency: DependencyRow) -> str:
    return clean(f"{dependency.kind} {dependency.id}", 120)


_BOUND = ("backup.bound", "backup.domain", "backup.detail")
"""Columns that tell where the backup's dependencies exist."""

RULES = (
    Rule(ITEM_BOUND, check_item_bound, ("backup.domain",)),
    Rule(KEY_BOUND, check_key_bound, _BOUND),
    Rule(FUNCTION_BOUND, check_function_bound, _BOUND),
    Rule(DEPENDENCY_BOUND, check_dependency_bound, _BOUND),
    Rule(UNUSABLE, check_unusable, ("detail",)),
    Rule(WHERE_UNKNOWN, check_where_unknown, ("backup.domain", "backup.detail")),
)
