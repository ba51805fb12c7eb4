"""PKI: issuers, and the current certificate of each common name; public parts only.

Source: OpenBao ``internal/builtin/logical/pki``. Names below the mount: ``issuer/<name or id>``, ``cert/<serial in
hex>``, ``cn/<common name>`` (the newest certificate in force under that name, which is what a pair can name across
renewals), ``role/<role>/<common name>`` (what would be signed for that name; named by pairs only, never swept).
Reading issuers and certificates needs no token, so none is sent. Certificates of roles with ``no_store`` are
invisible. OpenBao lists certificates with their dates; elsewhere each one is read.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509

from nhisync.spi import (
    CredentialState,
    Dependency,
    ErrorKind,
    Item,
    Lifecycle,
    Moment,
    ProviderError,
    Unchanged,
)
from nhisync.spi.x509 import (
    Profile,
    Trust,
    chain_facts,
    is_root,
    public_ids,
    state_at,
)
from nhisync_vault.facts import attributes, check_name, marker, span, text
from nhisync_vault.kinds.base import Gap, Listed, NoPeek, Run
from nhisync_vault.kinds.pki_mount import (
    Issuer,
    above,
    by_serial,
    certificate_revocation,
    colons,
    common_name_of,
    decoded,
    issuer_named,
    issuer_revocation,
    issuers,
    leaves,
    newest,
    revoked,
    stored,
)
from nhisync_vault.mounts import Mount


class PkiKind(NoPeek):
    """Kind ``pki``."""

    name = "pki"
    deep = False

    def listed(self, run: Run, mount: Mount, prefix: str) -> Iterator[Listed | Gap]:
        """Issuers and common names; single certificates only where the prefix asks for them.

        Raises:
            ProviderError: the mount cannot be listed.
        """
        names = [f"issuer/{one.name or one.id}" for one in issuers(run, mount)]
        if prefix.startswith("cert/"):
            names += [f"cert/{one.serial}" for one in stored(run, mount)]
        elif not prefix.startswith("issuer/"):
            names += sorted({f"cn/{one.common_name}" for one in leaves(run, mount) if one.common_name})
        yield from (Listed(name, marker=self._marker(run, mount, name)) for name in names if name.startswith(prefix))

    def bare(self, run: Run, mount: Mount, entry: Listed) -> Item:
        """Dates from the listing."""
        locator = run.locator(self.name, mount, entry.name)
        what, _, name = entry.name.partition("/")
        if what == "issuer":
            return self._issuer(run, mount, entry.name, name)
        found = newest(run, mount, name) if what == "cn" else by_serial(run, mount, name)
        if found is None:
            return run.item(locator, lifecycle=run.lifecycle(mount, Lifecycle.OWN))
        return run.item(
            locator,
            lifecycle=run.lifecycle(mount, Lifecycle.OWN),
            version=found.serial,
            created=Moment(found.not_before),
            not_before=Moment(found.not_before),
            expires=Moment(found.not_after),
            marker=entry.marker,
            attributes=attributes(common_name=found.common_name, serial=found.serial),
        )

    def detail(self, run: Run, mount: Mount, entry: Listed) -> Item | Unchanged:
        """Chain, identifiers and revocation of one issuer or certificate.

        Raises:
            ProviderError: NOT_FOUND when the mount has no such issuer or certificate, else why not.
        """
        check_name(entry.name)
        what, _, name = entry.name.partition("/")
        if what == "role" and all(name.partition("/")):
            return self._role(run, mount, entry.name, name.partition("/")[0])
        if not name or what not in ("issuer", "cert", "cn"):
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                "a pki locator names issuer/…, cert/…, cn/… or role/<role>/<common name> below its mount",
                fix=f"Write {run.context.source}:pki/{mount.path}/cn/<common name>.",
            )
        locator = run.locator(self.name, mount, entry.name)
        mark = entry.marker or (self._marker(run, mount, entry.name) if what != "cert" else "")
        if mark and run.known(locator) == mark:
            return run.unchanged(locator)
        if what == "issuer":
            return self._issuer(run, mount, entry.name, name)
        return self._certificate(run, mount, entry.name, self._serial(run, mount, what, name))

    def _serial(self, run: Run, mount: Mount, what: str, name: str) -> str:
        if what == "cert":
            return name.replace(":", "").replace("-", "").lower()
        found = newest(run, mount, name)
        if found is None:
            raise _no_such(f"no stored certificate names {name}", mount)
        return found.serial

    def _marker(self, run: Run, mount: Mount, name: str) -> str:
        """What tells whether an entry changed without reading it."""
        what, _, rest = name.partition("/")
        try:
            if what == "issuer":
                issuer = issuer_named(run, mount, rest)
                facts: Sequence[object] = (issuer.id, issuer.default) if issuer else ()
            elif what == "cn":
                found = newest(run, mount, rest)
                facts = (found.serial, found.serial in revoked(run, mount)) if found else ()
            else:
                facts = (rest, rest in revoked(run, mount))
        except ProviderError:
            return ""
        return marker("pki", *facts) if facts else ""

    def _issuer(self, run: Run, mount: Mount, full: str, name: str) -> Item:
        issuer = issuer_named(run, mount, name)
        if issuer is None:
            raise _no_such(f"the mount has no issuer {name}", mount)
        path = above(issuer.certificate, [one.certificate for one in issuers(run, mount)])
        revocation = issuer_revocation(run, mount, issuer)
        return _item(
            run,
            mount,
            full,
            [issuer.certificate, *path],
            revocation=revocation,
            marker=self._marker(run, mount, full),
            issuer=None,
            facts=attributes(issuer_id=issuer.id, default=issuer.default or None),
        )

    def _role(self, run: Run, mount: Mount, full: str, role: str) -> Item:
        """What can be signed, not what was: lifetimes, and the issuer without which nothing is."""
        terms = run.api.get(f"{mount.api}/roles/{role}")
        issuer = issuer_named(run, mount, text(terms.get("issuer_ref")) or "default")
        return run.item(
            run.locator(self.name, mount, full),
            lifecycle=run.lifecycle(mount, Lifecycle.OWN),
            dependencies=_dependencies(run, mount, issuer, run.now()),
            marker=marker("pki", terms, issuer.id if issuer else ""),
            attributes=attributes(
                ttl=span(terms.get("ttl")),
                max_ttl=span(terms.get("max_ttl")),
                key_type=text(terms.get("key_type")),
                client=terms.get("client_flag") if isinstance(terms.get("client_flag"), bool) else None,
            ),
        )

    def _certificate(self, run: Run, mount: Mount, full: str, serial: str) -> Item:
        if not serial or any(c not in "0123456789abcdef" for c in serial):
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                "a certificate is named by its serial in hex",
                fix=f"Write {run.context.source}:pki/{mount.path}/cert/<hex>.",
            )
        data = run.api.public("GET", f"{mount.api}/cert/{colons(serial)}")
        certificate = decoded(data, f"{mount.api}/cert/{serial}")
        known = issuers(run, mount)
        path = above(certificate, [one.certificate for one in known])
        signer = next((one for one in known if path and one.certificate == path[0]), None)
        return _item(
            run,
            mount,
            full,
            [certificate, *path],
            revocation=certificate_revocation(run, data),
            marker=self._marker(run, mount, full),
            issuer=signer,
            facts=attributes(common_name=common_name_of(certificate), serial=serial),
        )


def _item(
    run: Run,
    mount: Mount,
    name: str,
    path: list[x509.Certificate],
    *,
    revocation: datetime | None,
    marker: str,
    issuer: Issuer | None,
    facts: tuple[tuple[str, str], ...],
) -> Item:
    """An item from a certificate and what stands above it (the root is trust, not part of what is served)."""
    leaf, now = path[0], run.now()
    root = path[-1] if is_root(path[-1]) else None
    served = path[:-1] if root is not None and len(path) > 1 else path
    trust = Trust(roots=(root,), profile=Profile.PRIVATE) if root is not None else None
    return run.item(
        run.locator(PkiKind.name, mount, name),
        lifecycle=run.lifecycle(mount, Lifecycle.OWN),
        state=CredentialState.DEACTIVATED if revocation is not None else state_at(leaf, now),
        version=f"{leaf.serial_number:x}",
        created=Moment(leaf.not_valid_before_utc),
        not_before=Moment(leaf.not_valid_before_utc),
        expires=Moment(leaf.not_valid_after_utc),
        ids=run.ids(*public_ids(leaf)),
        chain=chain_facts(served, trust, name="", now=now),
        dependencies=_dependencies(run, mount, issuer, now),
        marker=marker,
        attributes=tuple(sorted((*facts, *attributes(revoked=revocation)))),
    )


def _dependencies(run: Run, mount: Mount, issuer: Issuer | None, now: datetime) -> tuple[Dependency, ...]:
    """The issuer that would renew a certificate; it stands where the cluster stands."""
    if issuer is None:
        return ()
    usable = state_at(issuer.certificate, now) is CredentialState.ACTIVE
    region = run.settings.region or run.context.region
    name = f"{mount.path}/issuer/{issuer.name or issuer.id}"
    return (Dependency(kind="issuer", id=name, region=region, usable=usable),)


def _no_such(what: str, mount: Mount) -> ProviderError:
    return ProviderError(ErrorKind.NOT_FOUND, what, resource=mount.path)
