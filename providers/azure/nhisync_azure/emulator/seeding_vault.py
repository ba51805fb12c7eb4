"""Seeds of kinds ``key`` and ``certificate``."""

from datetime import datetime, timedelta
from typing import Any, Final

from nhisync_azure.emulator import issuing, orders, upkeep
from nhisync_azure.emulator.kv_keys import new_version
from nhisync_azure.emulator.material import KeyShape
from nhisync_azure.emulator.seeding import COMMON, Plot, finish, history, vault_name
from nhisync_azure.emulator.vaults import CertificateVersion, Entry, Issuer, KeyVersion, Pending

_YEAR: Final = timedelta(days=365)
_KEY_OPTIONS: Final[dict[str, Any]] = {
    "kty": "EC",
    "curve": "P-256",
    "bits": 2048,
    "key": None,
    "rotate_after": None,
    "rotate_before_expiry": None,
    "expiry_time": None,
}
_CERTIFICATE_OPTIONS: Final[dict[str, Any]] = {
    "kty": "EC",
    "curve": "P-256",
    "bits": 2048,
    "key": None,
    "issuer": "Self",
    "issuer_exists": True,
    "issuer_enabled": True,
    "subject": None,
    "names": None,
    "ekus": (),
    "validity_months": 12,
    "action": "AutoRenew",
    "days_before_expiry": None,
    "lifetime_percentage": 80,
    "reuse_key": False,
    "exportable": True,
    "content_type": "application/x-pem-file",
    "pending": None,
}


def seed_key(plot: Plot) -> str:
    """Plant a key.

    Options besides `COMMON`: ``kty`` (``EC``, ``RSA``, with ``-HSM``), ``curve``, ``bits``, ``key`` (a private key, to
    plant the same one twice), ``rotate_after`` and ``rotate_before_expiry`` (ISO 8601: the vault rotates by itself),
    ``expiry_time`` (ISO 8601: lifetime of new versions).
    """
    options = plot.options(**COMMON, **_KEY_OPTIONS)
    name = vault_name(plot)
    shape = KeyShape(kty=options["kty"], curve=options["curve"], bits=options["bits"])

    def make(at: datetime, key: Any = None) -> KeyVersion:
        return new_version(plot.cloud.ids.version(), at, shape, key or plot.cloud.keyring.new(shape))

    versions = [make(at) for at in history(plot, older_count(plot, options))]
    entry = Entry(name=name, versions=[*versions, make(plot.changed, options["key"])])
    finish(plot, plot.vault.keys, entry, options)
    policy = _rotation_policy(options)
    if policy is not None:
        plot.vault.rotation_policies[name.lower()] = policy
        _mind(plot, name, upkeep.rotation_of(policy, entry.newest))
    plot.vault.due = None
    return f"key/{name}"


def older_count(plot: Plot, options: dict[str, Any]) -> int:
    """How many versions lie before the current one."""
    return int(options["older_versions"]) or (1 if plot.seed.rotated is not None else 0)


def _rotation_policy(options: dict[str, Any]) -> dict[str, Any] | None:
    actions: list[dict[str, Any]] = []
    if options["rotate_after"]:
        actions.append({"trigger": {"timeAfterCreate": options["rotate_after"]}, "action": {"type": "Rotate"}})
    if options["rotate_before_expiry"]:
        trigger = {"timeBeforeExpiry": options["rotate_before_expiry"]}
        actions.append({"trigger": trigger, "action": {"type": "Rotate"}})
    if not actions and not options["expiry_time"]:
        return None
    attributes = {"expiryTime": options["expiry_time"]} if options["expiry_time"] else {}
    return {"lifetimeActions": actions, "attributes": attributes}


def seed_certificate(plot: Plot) -> str:
    """Plant a certificate with its twin key and secret.

    Options besides `COMMON`: ``kty``, ``curve``, ``bits``, ``key`` as for keys; ``issuer`` (``Self``, ``Unknown`` or a
    provider's name), ``issuer_exists`` (this vault has that issuer), ``issuer_enabled``, ``subject``, ``names``,
    ``ekus``, ``validity_months``, ``action`` (``AutoRenew`` or ``EmailContacts``) at ``days_before_expiry`` or
    ``lifetime_percentage``, ``reuse_key``, ``exportable``, ``content_type`` of the secret, ``pending`` (an operation in
    this status). What is overdue when planted stays overdue.
    """
    options = plot.options(**COMMON, **_CERTIFICATE_OPTIONS)
    name, vault = vault_name(plot), plot.vault
    for shelf in (vault.certificates, vault.keys, vault.secrets):
        shelf.forget(name)  # planted anew
    vault.certificate_policies[name.lower()] = policy = _certificate_policy(plot, options)
    issuer = _issuer(plot, options)
    for at in history(plot, older_count(plot, options)):
        orders.add(vault, name, _version(plot, policy, issuer, at, at + _YEAR))
    end = plot.now + (_YEAR if plot.seed.expires is None else plot.seed.expires)
    current = _version(plot, policy, issuer, min(plot.changed, end - timedelta(days=1)), end, key=options["key"])
    current.created = current.updated = plot.changed
    orders.add(vault, name, current)
    _settle(plot, name, options)
    if options["pending"] is not None:
        vault.pending[name.lower()] = _pending(plot, policy, str(options["pending"]))
    _mind(plot, name, upkeep.renewal_of(policy, current))
    vault.due = None
    return f"certificate/{name}"


def _mind(plot: Plot, name: str, due: datetime | None) -> None:
    """What is planted overdue stays overdue: the vault must have failed at it."""
    if due is not None and due <= plot.now:
        plot.vault.stuck.add(name.lower())


def _settle(plot: Plot, name: str, options: dict[str, Any]) -> None:
    """Give the certificate and its twins their attributes, and move all three where they belong."""
    vault = plot.vault
    entry = vault.certificates.take(name)
    twins: list[tuple[Any, Any]] = [(shelf, shelf.take(name)) for shelf in (vault.keys, vault.secrets)]
    # The validity of the X.509 certificate stays: Key Vault takes nbf and exp from there.
    dates = [(version.not_before, version.expires) for version in entry.versions]
    finish(plot, vault.certificates, entry, {**options, "not_before": None})
    for version, (start, end) in zip(entry.versions, dates, strict=True):
        version.not_before, version.expires = start, end
    for shelf, twin in twins:
        for version, own in zip(entry.versions, twin.versions, strict=True):
            orders.mirror(version, own)
            own.updated = version.updated
        shelf.settle(twin, entry.deletion)


def _version(
    plot: Plot, policy: dict[str, Any], issuer: Issuer | None, start: datetime, end: datetime, *, key: Any = None
) -> CertificateVersion:
    key = key or plot.cloud.keyring.new(issuing.shape_of(policy))
    ca = orders.authority(plot.cloud, issuer.provider) if issuer else None
    return CertificateVersion(
        id=plot.cloud.ids.version(),
        created=start,
        updated=start,
        certificate=issuing.sign(plot.cloud.ids, policy, key, ca, start, end),
        key=key,
        chain=(ca.certificate,) if ca else (),
    )


def _certificate_policy(plot: Plot, options: dict[str, Any]) -> dict[str, Any]:
    domain = f"{plot.seed.name}.example"
    names = options["names"] if options["names"] is not None else [domain]
    trigger: dict[str, int] = {"lifetime_percentage": int(options["lifetime_percentage"])}
    if options["days_before_expiry"] is not None:
        trigger = {"days_before_expiry": int(options["days_before_expiry"])}
    key = {"exportable": options["exportable"], "kty": options["kty"], "reuse_key": options["reuse_key"]}
    key |= {"key_size": options["bits"]} if options["kty"].startswith("RSA") else {"crv": options["curve"]}
    facts = {
        "subject": options["subject"] or f"CN={(names or [domain])[0]}",
        "sans": {"dns_names": list(names)},
        "ekus": list(options["ekus"]),
        "validity_months": int(options["validity_months"]),
    }
    created = int(plot.created.timestamp())
    return {
        "key_props": key,
        "secret_props": {"contentType": options["content_type"]},
        "x509_props": facts,
        "lifetime_actions": [{"trigger": trigger, "action": {"action_type": options["action"]}}],
        "issuer": {"name": options["issuer"]},
        "attributes": {"enabled": True, "created": created, "updated": created},
    }


def _issuer(plot: Plot, options: dict[str, Any]) -> Issuer | None:
    """The issuer whose CA signs; one that is no integrated issuer still signed at some time, elsewhere."""
    name = str(options["issuer"])
    if name == orders.SELF:
        return None
    made = Issuer(
        name=name,
        provider=name,
        account="nhisync",
        enabled=bool(options["issuer_enabled"]),
        created=plot.created,
        updated=plot.created,
    )
    if name != orders.UNKNOWN and options["issuer_exists"]:
        plot.vault.issuers.setdefault(name.lower(), made)
    return made


def _pending(plot: Plot, policy: dict[str, Any], status: str) -> Pending:
    """An operation in `status`: ``inProgress``, ``failed``, ``cancelled`` or ``completed``."""
    key = plot.cloud.keyring.new(issuing.shape_of(policy))
    failed = ("IssuerRequestFailed", "The certification authority refused the request.")
    return Pending(
        issuer=orders.issuer_of(policy),
        csr=issuing.request(policy, key),
        key=key,
        request_id=plot.cloud.ids.version(),
        created=plot.now,
        tags=plot.tags,
        status=status,
        error=failed if status == "failed" else None,
    )
