"""Family 1, presence: what must stand on the backup before a failover does, in force and with an owner.

A credential that would only be made during the failover counts as absent. Absence is a claim: only an authoritative
read makes it (family 9 speaks when there was none).
"""

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import INVENTORY, OWNERSHIP
from nhisync.parity.rules.facts import UNREADABLE, UnreadableError, fields_of
from nhisync.parity.rules.sides import ABSENT, PRESENT, answered, either, presence_of
from nhisync.parity.text import clean

MISSING = RuleInfo(
    code="NHS101",
    title="backup credential missing",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="MISSING",
    compared="Whether the item that the pair names on the backup path exists, by an authoritative read of its provider "
    "(a listing without the item is not enough).",
    hurts="After a switch the application looks for its credential on the backup and finds nothing; whatever it "
    "protects is down until somebody issues one, often with the primary's issuer gone too.",
    false_alarm="The pair points to the wrong place, or a template matches names that were never meant to fail over. "
    "Correct the pair, or take the item out of the template.",
    remediation={
        "aws": "Create {pair} in the backup's region with a value of its own (aws secretsmanager create-secret, aws "
        "iam create-access-key, aws acm import-certificate), never with the primary's value; then: nhisync diff "
        "primary backup --app {app}",
        "azure": "Create {pair} in the backup's own vault with a value of its own (az keyvault secret set --file …, "
        "az keyvault certificate create, az ad app credential reset --append), never with az keyvault secret restore; "
        "then: nhisync diff primary backup --app {app}",
        "vault": "Create {pair} in the backup cluster through its own engine (vault write database/static-roles/…, "
        "vault write -f auth/approle/role/…/secret-id); a KV entry only with a value issued for the backup; then: "
        "nhisync diff primary backup --app {app}",
        "tls": "Start the backup's listener for {pair} with a certificate and key of its own; then: nhisync diff "
        "primary backup --app {app}",
        "file": "Let the backup host's own agent write the file of {pair} (its own value, mode 0600); then: nhisync "
        "diff primary backup --app {app}",
        "kubernetes": "Create it in the backup's own cluster, by that cluster's own operator: kubectl create secret "
        "…, a Certificate, a ServiceAccount; never kubectl get -o yaml from the primary",
        "postgres": "On the backup's server: CREATE ROLE … LOGIN; then psql's \\password … with a password of its "
        "own, the grants of the primary's role, and COMMENT ON ROLE … IS 'nhisync:owner=… nhisync:rotated=…'",
        "acme": "On the backup host: certbot register --server …, then certbot certonly --cert-name … -d …, with that "
        "host's own account and key",
        "*": "Issue a credential for {app}/{pair} on the backup path, with its own value; then: nhisync diff primary "
        "backup --app {app}",
    },
    frameworks=INVENTORY,
)


def check_missing(view: PairView) -> Outcome | None:
    """Fail when the backup's item is absent, whatever is known of the primary; None when it is not known."""
    if view.present:
        return PASS
    word = presence_of(view.backup, view.missing_backup)
    if word != ABSENT:
        return PASS if word == PRESENT else None
    if presence_of(view.primary, view.missing_primary) == ABSENT:
        return fail(Side.PAIR, "exists on neither path", "one identity on each path")
    return fail(Side.BACKUP, _nothing_at(view.backup), "an identity of its own on the backup")


ORPHAN = RuleInfo(
    code="NHS102",
    title="backup credential without counterpart",
    severity=Severity.WARNING,
    layer=Layer.EXISTS,
    consequence=Consequence.EXPOSURE,
    block="MISSING",
    compared="Whether the primary still has the identity whose counterpart stands on the backup, by an authoritative "
    "read of the primary.",
    hurts="An identity that was retired on the primary keeps its rights on the backup, where few people look; and "
    "after a failback the application would find nothing on the primary.",
    false_alarm="The backup was prepared first and the primary's half follows, or the identity is only needed on the "
    "backup. Finish the set-up, or remove the pair.",
    remediation={
        "aws": "If {pair} was retired: deactivate it first (aws iam update-access-key --status Inactive, aws "
        "secretsmanager delete-secret --recovery-window-in-days 30), delete it after the grace; else create the "
        "primary's half",
        "azure": "If {pair} was retired: az keyvault secret set-attributes --enabled false first, az keyvault secret "
        "delete after the grace (it stays recoverable); else create the primary's half",
        "vault": "If {pair} was retired: revoke it on the backup (vault write auth/approle/role/…/secret-id-accessor/"
        "destroy, vault delete database/static-roles/…); else create the primary's half",
        "tls": "If {pair} was retired: stop the backup's listener or take it out of the configuration; else start "
        "the primary's",
        "file": "If {pair} was retired: let the backup host's agent remove the file; else write the primary's",
        "postgres": "If {pair} was retired: ALTER ROLE … NOLOGIN on the backup's server, DROP ROLE … after the grace; "
        "else create the primary's role",
        "acme": "If {pair} was retired: certbot revoke --cert-name … --delete-after-revoke on the backup host; else "
        "issue the primary's certificate",
        "*": "Decide whether {app}/{pair} is retired: then remove it from the backup, else create it on the primary",
    },
    frameworks=OWNERSHIP,
)


def check_orphan(view: PairView) -> Outcome | None:
    """Fail when the backup has the item and the primary authoritatively has not."""
    if view.present:
        return PASS
    backup = presence_of(view.backup, view.missing_backup)
    if backup != PRESENT or presence_of(view.primary, view.missing_primary) != ABSENT:
        return None
    return fail(Side.BACKUP, "stands on the backup only", "a counterpart on the primary, or no identity at all")


UNOWNED = RuleInfo(
    code="NHS103",
    title="identity without an owner",
    severity=Severity.WARNING,
    layer=Layer.EXISTS,
    consequence=Consequence.EXPOSURE,
    block="AUTHZ",
    compared="The owner tag or owner metadata of both items, where their kind can carry one.",
    hurts="At 3 a.m. nobody can say who may rotate or revoke the credential; unowned identities are the ones that "
    "are forgotten on the backup.",
    false_alarm="The owner is kept in another system. Write it to the tag as well: it is what the person on call sees.",
    remediation={
        "aws": "Tag {pair} with its owner: aws secretsmanager tag-resource (or aws iam tag-user) with Key=owner",
        "azure": "Tag {pair} with its owner: az keyvault secret set-attributes --tags owner=… (name all tags, the "
        "command replaces them); application: az ad app owner add",
        "vault": "Write the owner of {pair} to its custom metadata: vault kv metadata put -custom-metadata=owner=… …",
        "kubernetes": "Name the owner: kubectl annotate secret {pair} nhisync/owner=TEAM (or the source's owner_key)",
        "postgres": "COMMENT ON ROLE … IS 'nhisync:owner=… nhisync:rotated=…'; a comment replaces the earlier one",
        "*": "Name the owner of {app}/{pair} in the owner tag or owner metadata of its provider",
    },
    frameworks=OWNERSHIP,
)


def check_unowned(view: PairView) -> Outcome | None:
    """Fail for each side whose kind carries owners and has none; None when neither kind carries owners."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    backup = None if b is None else b.owner
    primary = None if p is None else p.owner
    if backup is None and primary is None:
        return None
    text = "no owner is named"
    return either(fail, text if backup == "" else None, text if primary == "" else None, "an owner on each identity")


RETIRED = RuleInfo(
    code="NHS104",
    title="current version not in force",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="MISSING",
    compared="The state of each side's current version, in the six words of NIST SP 800-57 Part 1: suspended, "
    "deactivated, compromised and destroyed versions do not work or must not be used. One that simply reached its "
    "end is NHS301's.",
    hurts="The item is listed but refuses to work: a disabled key, a secret planned for deletion, a destroyed "
    "version. After a switch this is the same outage as a missing credential.",
    false_alarm="A rotation is between two of its steps. It goes away with the next observation; NHS205 speaks when "
    "it does not.",
    remediation={
        "aws": "Secret planned for deletion: aws secretsmanager restore-secret; inactive access key: aws iam "
        "update-access-key --status Active, unless it was compromised: then a new one",
        "azure": "Soft-deleted: az keyvault secret recover; disabled version: az keyvault secret set-attributes "
        "--version … --enabled true, unless it was compromised: then a new version with az keyvault secret set",
        "gcp": "Disabled version or key: gcloud secrets versions enable, gcloud iam service-accounts keys enable, "
        "unless it was compromised; `latest` means the newest version, even a disabled one",
        "vault": "Deleted KV version: vault kv undelete; destroyed version or disabled role: issue a new one in that "
        "side's own cluster",
        "tls": "Serve a certificate of {pair} that is not revoked",
        "file": "Let the owning agent write a version of {pair} that is in force",
        "kubernetes": "Look at deletionTimestamp and finalizers of the object, and at what was issued: kubectl "
        "describe certificate …",
        "postgres": "ALTER ROLE … LOGIN CONNECTION LIMIT -1, or ALTER ROLE … VALID UNTIL '…'; a compromised password "
        "is replaced first: psql's \\password …",
        "acme": "Account deactivated or revoked: certbot register anew on that host, with its own key; certificate "
        "revoked: certbot renew --cert-name … --force-renewal",
        "*": "Bring the current version of {app}/{pair} back into force; a compromised one is replaced on both "
        "sides, the backup first",
    },
    frameworks=INVENTORY,
)

_DEACTIVATED = "deactivated"
_NOT_IN_FORCE = frozenset({"suspended", _DEACTIVATED, "compromised", "destroyed"})


def check_retired(view: PairView) -> Outcome | None:
    """Fail for each side whose current version is out of force; None when no provider knows states."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    backup = None if b is None else b.state
    primary = None if p is None else p.state
    if backup is None and primary is None:
        return None
    return either(fail, _out_of_force(view, b), _out_of_force(view, p), "an active version")


FIELD_MISSING = RuleInfo(
    code="NHS105",
    title="named field missing",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="MISSING",
    compared="The names of the fields of the value (never their content) with the field that the pair names behind #.",
    hurts="The item exists, but the application asks it for a field that is not there: authentication fails as if "
    "the credential were missing.",
    false_alarm="The field has another name on this side. Name it in the pair: each side may have its own #field.",
    remediation={
        "aws": "Let the rotation function of {pair} write the field, or correct #field in the pair",
        "azure": "Write the secret's JSON again with the field and that vault's own values (az keyvault secret set "
        "--file …), or correct #field in the pair",
        "vault": "Add the field with the backup's own value (vault kv patch …), or correct #field in the pair",
        "file": "Let the owning agent write the field, or correct #field in the pair",
        "kubernetes": "Add the field through whatever writes the Secret (ExternalSecret, Certificate, Helm values), "
        "in the backup's cluster",
        "postgres": "A role has one field, password: correct #field in the pair, or leave it out",
        "*": "Add the field to {app}/{pair} with that side's own value, or correct #field in the pair",
    },
    frameworks=INVENTORY,
)


def check_field_missing(view: PairView) -> Outcome | None:
    """Fail for each side that lacks the field its locator names; None when no field is named or fields are unknown."""
    if view.field_backup is None and view.field_primary is None:
        return None
    b, p = (view.backup, view.primary) if view.present else answered(view)
    try:
        backup = _lacks(b, view.field_backup)
        primary = _lacks(p, view.field_primary)
    except UnreadableError:
        return unknown(Side.PAIR, UNREADABLE, "the names of the fields")
    if backup is None and primary is None:
        return None
    return either(fail, backup or None, primary or None, "the field that the pair names")


def _nothing_at(row: Row | None) -> str:
    return "does not exist" if row is None else f"nothing at {clean(row.locator)}"


def _out_of_force(view: PairView, row: Row | None) -> str | None:
    """Why the current version is out of force; one that simply reached its end is NHS301's."""
    if row is None or row.state not in _NOT_IN_FORCE:
        return None
    if row.state == _DEACTIVATED and row.expires is not None and view.passed(row.expires):
        return None
    return f"the current version is {row.state}"


def _lacks(row: Row | None, field: str | None) -> str | None:
    """What is wrong, "" when the field is there, None when it is not asked or not known."""
    fields = None if field is None else fields_of(row)
    if fields is None or field is None:
        return None
    if field in fields:
        return ""
    return f"no field {clean(field, 60)} (other fields: {len(fields)})"


RULES = (
    Rule(MISSING, check_missing),
    Rule(ORPHAN, check_orphan),
    Rule(UNOWNED, check_unowned, ("owner",)),
    Rule(RETIRED, check_retired, ("state", "expires")),
    Rule(FIELD_MISSING, check_field_missing, ("detail",)),
)
