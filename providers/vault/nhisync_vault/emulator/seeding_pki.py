"""Seeds of kind ``pki``: issuers and certificates with any dates, chains and revocations."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nhisync_vault.emulator.pki import PkiEngine
from nhisync_vault.emulator.pki_store import Issuer, PkiRole, stored_serial
from nhisync_vault.emulator.pki_x509 import (
    Issuing,
    PrivateKey,
    Subject,
    make_ca,
    make_leaf,
    new_key,
    public_of,
    self_signed,
)
from nhisync_vault.emulator.seeding import Plot
from nhisync_vault.emulator.storage import View

_ROOT_LIFETIME = timedelta(days=3650)
_LEAF_LIFETIME = timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class PkiOptions:
    """Options of kind ``pki``; named ``<mount>/issuer/<name>``, ``…/cn/<name>`` or ``…/role/<role>/<common name>``.

    Attributes:
        mount: mount path when it is more than one segment.
        signed_by: issuer name that signs; "" = the mount's default (an issuer without it signs itself).
        default: this issuer becomes the default.
        revoked: how long ago it was revoked; None = it was not.
        key_label: seeds with one label share one key, across clusters (a copied key).
        key_type: ``ec``, ``rsa`` or ``ed25519``.
        by_serial: return the locator by serial instead of by common name.
        previous: also plant the certificate that it replaced.
        no_store: the role keeps nothing of what it signs.
    """

    mount: str = ""
    signed_by: str = ""
    default: bool = False
    revoked: timedelta | None = None
    key_label: str = ""
    key_type: str = "ec"
    by_serial: bool = False
    previous: bool = False
    no_store: bool = False


class PkiSeeder:
    """Plants PKI seeds; remembers labelled keys across clusters."""

    def __init__(self) -> None:
        self._keys: dict[str, PrivateKey] = {}

    def seed(self, plot: Plot) -> str:
        """Plant one issuer or certificate.

        Raises:
            ValueError: the name has neither form.
        """
        options = plot.options(PkiOptions)
        detailed = plot.core.flavour.scans
        mount, rest = plot.place(options.mount, lambda: PkiEngine(detailed_lists=detailed))
        view = plot.core.view(mount)
        what, _, name = rest.partition("/")
        if what == "issuer" and name:
            self._issuer(plot, options, view, name)
        elif what == "role" and all(name.partition("/")):
            self._role(plot, options, view, *name.split("/", 1))
        elif what == "cn" and name:
            serial = self._certificate(plot, options, view, name)
            if options.by_serial:
                return f"pki/{mount.path}cert/{serial:x}"
        else:
            raise ValueError("a pki seed is named <mount>/issuer/<name>, …/cn/<name> or …/role/<role>/<common name>")
        return f"pki/{mount.path}{rest}"

    def _key(self, options: PkiOptions) -> PrivateKey:
        key = self._keys.get(options.key_label) or new_key(options.key_type)
        if options.key_label:
            self._keys[options.key_label] = key
        return key

    def _issuer(self, plot: Plot, options: PkiOptions, view: View, name: str) -> Issuer:
        end = plot.expires or plot.now + _ROOT_LIFETIME
        key, subject, serial = self._key(options), Subject(common_name=f"{name} CA"), plot.core.ids.serial()
        parent = _find(view, options.signed_by) if options.signed_by else None
        if parent is None:
            certificate = self_signed(subject, key, serial=serial, start=plot.rotated, end=end)
        else:
            issuing = Issuing.of(parent.authority())
            certificate = make_ca(subject, public_of(key), issuing, serial=serial, start=plot.rotated, end=end)
        issuer = Issuer(
            id=plot.core.ids.uuid(),
            name=name,
            key_id=plot.core.ids.uuid(),
            certificate=certificate,
            key=key,
            chain=(parent.id, *parent.chain) if parent else (),
        )
        if options.revoked is not None:
            issuer = replace(issuer, revoked=plot.now - options.revoked)
        view.put(f"issuer/{issuer.id}", issuer)
        view.put(f"cert/{stored_serial(serial)}", certificate)
        if options.default or view.get("default") is None:
            view.put("default", issuer.id)
        return issuer

    def _role(self, plot: Plot, options: PkiOptions, view: View, role: str, common_name: str) -> None:
        """A role that signs for exactly this name, and what it signs with."""
        issuer = _find(view, options.signed_by) or _find(view, "") or self._root(plot, view)
        allowed = (common_name,)
        made = PkiRole(
            key_type=options.key_type,
            allowed_domains=allowed,
            allow_bare_domains=True,
            no_store=options.no_store,
            issuer_ref=issuer.id,
        )
        view.put(f"role/{role}", made)

    def _certificate(self, plot: Plot, options: PkiOptions, view: View, name: str) -> int:
        issuer = _find(view, options.signed_by) or _find(view, "") or self._root(plot, view)
        end = plot.expires or plot.now + _LEAF_LIFETIME
        if options.previous:
            self._leaf(plot, options, view, issuer, name, plot.created, plot.rotated + timedelta(days=1))
        serial = self._leaf(plot, options, view, issuer, name, min(plot.rotated, end - timedelta(hours=1)), end)
        if options.revoked is not None:
            view.put(f"revoked/{stored_serial(serial)}", plot.now - options.revoked)
        return serial

    def _leaf(
        self, plot: Plot, options: PkiOptions, view: View, issuer: Issuer, name: str, start: datetime, end: datetime
    ) -> int:
        serial = plot.core.ids.serial()
        subject = Subject(common_name=name, dns=(name,))
        public = public_of(self._key(options))
        made = make_leaf(subject, public, issuer.authority(), serial=serial, start=start, end=end)
        view.put(f"cert/{stored_serial(serial)}", made)
        return serial

    def _root(self, plot: Plot, view: View) -> Issuer:
        seed = replace(plot.seed, created=timedelta(days=365), rotated=None, expires=None, options={})
        return self._issuer(replace(plot, seed=seed), PkiOptions(), view, "root")


def _find(view: View, name: str) -> Issuer | None:
    if not name:
        found: Issuer | None = view.get(f"issuer/{view.get('default')}")
        return found
    issuers = (view.get(f"issuer/{key}") for key in view.walk("issuer/"))
    return next((issuer for issuer in issuers if issuer.name == name), None)
