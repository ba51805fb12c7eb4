"""The TLS part of the embedded world: real endpoints on loopback, any chain, any fault.

Seed kinds: ``tls``, and ``jwks``, an endpoint that publishes a key set. `Seed.expires` and `Seed.rotated` become the
leaf's dates (by the world's clock). Options of a seed are the fields of `EndpointOptions`; options of a source those of
`SourceOptions`; both are listed in the README.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from nhisync.spi import Clock
from nhisync.testing.keysets import KeySets
from nhisync.testing.world import Seed
from nhisync_tls.emulator.chains import Chain, Hierarchy, LeafPlan, build_chain, make_hierarchy
from nhisync_tls.emulator.endpoint import FAULTS, Endpoint, Identity
from nhisync_tls.emulator.lists import revocation_list
from nhisync_tls.emulator.pki import Issued, PrivateKey, Shape, issue, pem

KEY_SET_PATH = "/.well-known/jwks.json"
"""Where key sets are published."""

_DEFAULT_LIFETIME = timedelta(days=60)
_LIST_LIFETIME = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What `TlsWorld.add_source` understands.

    Attributes:
        authority: label of the certification authority; sources with one label share root and intermediate.
        root_expires: time left for the root of a new authority.
        intermediate_expires: time left for its intermediate.
        client_certificate: give the source a client certificate for endpoints that demand one.
        client_trust: group of clients → label of the authority whose root they trust.
        lists_end: time left for the revocation lists of the authority (negative = ended); None = the source has none.
    """

    authority: str = "Demo"
    root_expires: timedelta = timedelta(days=3650)
    intermediate_expires: timedelta = timedelta(days=1825)
    client_certificate: bool = False
    client_trust: Mapping[str, str] = field(default_factory=dict)
    lists_end: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """What a seed understands in `Seed.options`.

    Attributes:
        server_name: name clients ask for; "" = the seed's name, with ``.example.com`` when it has no dot.
        names: subject alternative names; None = the server name alone, empty = no such extension.
        chain: what is served: a word of `nhisync_tls.emulator.chains.CHAINS`.
        key: key kind of the leaf.
        key_label: leaves with one label share one key (a copied key), across sources and paths.
        certificate_label: seeds with one label serve the very same certificate, across sources and paths.
        serial: fixed serial number.
        usages: extended key usages of the leaf; empty = no such extension.
        starts_in: the leaf becomes valid only after this time.
        revoked: the leaf stands on the source's revocation list.
        starttls: ``smtp``, ``postgres`` or ``ldap``; "" = TLS from the first byte.
        alpn: protocols offered.
        client_certificate: ``none``, ``requested`` or ``required``.
        version: ``1.2`` or ``1.3`` alone; "" = both.
        keys: of a key set: ``kid`` or ``kid=label`` of each key; equal labels are equal keys, across sources and paths.
        private: publish private members of the key set, too.
        endpoint: label; seeds of one source with one label share a port and are told apart by SNI.
    """

    server_name: str = ""
    names: tuple[str, ...] | None = None
    chain: str = "complete"
    key: str = "ec-p256"
    key_label: str = ""
    certificate_label: str = ""
    serial: int | None = None
    usages: tuple[str, ...] = ("server_auth",)
    starts_in: timedelta | None = None
    revoked: bool = False
    starttls: str = ""
    alpn: tuple[str, ...] = ()
    client_certificate: str = "none"
    version: str = ""
    keys: tuple[str, ...] = ("key-1",)
    private: bool = False
    endpoint: str = ""


@dataclass(slots=True)
class _Source:
    """One source on one path."""

    directory: Path
    hierarchy: Hierarchy
    client_ca: Path
    lists_end: timedelta | None = None
    revoked: list[int] = field(default_factory=list)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)


class TlsWorld:
    """Any number of TLS endpoints per (path, source); satisfies `nhisync.testing.world.WorldPart`."""

    provider: ClassVar[str] = "tls"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._clock = clock
        self._directory = directory
        self._hierarchies: dict[str, Hierarchy] = {}
        self._keys: dict[str, PrivateKey] = {}
        self._chains: dict[str, Chain] = {}
        self._sources: dict[tuple[str, str], _Source] = {}
        self._key_sets = KeySets()
        self._client_root: Issued | None = None

    def start(self) -> None:
        """Make the directory; every seed opens its own listener, which answers when `seed` returns."""
        self._directory.mkdir(parents=True, exist_ok=True)

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Create the trust files of one source and return its configuration document.

        Raises:
            TypeError: an option that `SourceOptions` does not have.
        """
        chosen = SourceOptions(**options)
        directory = self._directory / path / source
        directory.mkdir(parents=True)
        hierarchy = self._hierarchy(chosen)
        roots = _write(directory / "roots.pem", pem(hierarchy.root.certificate))
        known = _write(directory / "intermediates.pem", pem(hierarchy.intermediate.certificate))
        client_ca = _write(directory / "client-ca.pem", pem(self._client_authority().certificate))
        place = _Source(directory=directory, hierarchy=hierarchy, client_ca=client_ca, lists_end=chosen.lists_end)
        self._sources[path, source] = place
        document: dict[str, Any] = {
            "provider": self.provider,
            "region": region,
            "trust_file": str(roots),
            "intermediates_file": str(known),
        }
        if chosen.client_trust:
            document["client_trust"] = {
                name: str(_write(directory / f"clients-{name}.pem", pem(self._authority(label).root.certificate)))
                for name, label in chosen.client_trust.items()
            }
        if chosen.lists_end is not None:
            document["crl_files"] = [str(self._write_lists(place, chosen.lists_end))]
        return document | (self._client_files(directory) if chosen.client_certificate else {})

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Open an endpoint that serves what `item` asks for; returns ``tls/127.0.0.1:<port>?…``.

        Of a key set it is ``jwks/127.0.0.1:<port>/.well-known/jwks.json?…``.

        Raises:
            ValueError: another kind.
            TypeError: an option that `EndpointOptions` does not have.
            KeyError: an unknown chain, key or usage word.
        """
        if item.kind not in ("tls", "jwks"):
            raise ValueError(f"the TLS world seeds only the kinds tls and jwks, not {item.kind}")
        place = self._sources[path, source]
        options = EndpointOptions(**item.options)
        server_name = options.server_name or (item.name if "." in item.name else f"{item.name}.example.com")
        identity = self._identity(place, item, options, server_name)
        endpoint = self._endpoint(place, options, item.name)
        endpoint.add(identity, server_name=server_name)
        query = {"name": server_name} | ({"starttls": options.starttls} if options.starttls else {})
        if item.kind == "jwks":
            document = self._key_sets.document(*options.keys, private=options.private)
            endpoint.publish(KEY_SET_PATH, json.dumps(document).encode())
            return f"jwks/127.0.0.1:{endpoint.port}{KEY_SET_PATH}?{urlencode(query)}"
        return f"tls/127.0.0.1:{endpoint.port}?{urlencode(query)}"

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Switch a fault of `nhisync_tls.emulator.endpoint.FAULTS` on, or off with ``off=True``.

        ``item="<seed or endpoint label>"`` limits it to one endpoint of the source; ``delay`` (seconds) tunes ``slow``.

        Raises:
            ValueError: no such fault.
            KeyError: no such source or endpoint.
        """
        if name not in FAULTS:
            raise ValueError(f"no such fault: {name}")
        only = options.pop("item", None)
        endpoints = self._sources[path, source].endpoints
        for endpoint in [endpoints[only]] if only else list(endpoints.values()):
            endpoint.fault(name, **options)

    def endpoint(self, path: str, source: str, label: str) -> Endpoint:
        """The endpoint behind a seed, for tests that look at it from the server's side."""
        return self._sources[path, source].endpoints[label]

    def stop(self) -> None:
        """Close every endpoint; safe to call twice."""
        for place in self._sources.values():
            while place.endpoints:
                place.endpoints.popitem()[1].close()

    def _authority(self, label: str) -> Hierarchy:
        """The authority of this label with the usual lifetimes, or as it was made."""
        return self._hierarchy(SourceOptions(authority=label))

    def _write_lists(self, place: _Source, lists_end: timedelta) -> Path:
        """Write the lists of root and intermediate with all that is revoked so far."""
        ends = self._clock.now() + lists_end
        begins = ends - _LIST_LIFETIME
        root = revocation_list(place.hierarchy.root, (), begins=begins, ends=ends)
        issuing = revocation_list(place.hierarchy.intermediate, place.revoked, begins=begins, ends=ends)
        return _write(place.directory / "lists.pem", root + issuing)

    def _hierarchy(self, chosen: SourceOptions) -> Hierarchy:
        """The authority of this label, made on first use."""
        if chosen.authority not in self._hierarchies:
            self._hierarchies[chosen.authority] = make_hierarchy(
                chosen.authority,
                self._clock.now(),
                root_expires=chosen.root_expires,
                intermediate_expires=chosen.intermediate_expires,
            )
        return self._hierarchies[chosen.authority]

    def _client_authority(self) -> Issued:
        """The authority of client certificates; another than the servers', or OpenSSL would complete chains from it."""
        if self._client_root is None:
            self._client_root = make_hierarchy("Clients", self._clock.now()).root
        return self._client_root

    def _client_files(self, directory: Path) -> dict[str, str]:
        now = self._clock.now()
        shape = Shape(
            subject="nhisync",
            not_before=now - timedelta(days=1),
            not_after=now + _DEFAULT_LIFETIME,
            usages=("client_auth",),
        )
        client = issue(shape, self._client_authority())
        return {
            "client_certificate_file": str(_write(directory / "client.pem", pem(client.certificate))),
            "client_key_file": str(_write(directory / "client-key.pem", client.key_pem())),
        }

    def _endpoint(self, place: _Source, options: EndpointOptions, name: str) -> Endpoint:
        """The open endpoint of this label, made on first use."""
        label = options.endpoint or name
        if label not in place.endpoints:
            directory = place.directory / f"endpoint-{len(place.endpoints)}"
            directory.mkdir()
            endpoint = Endpoint(directory, starttls=options.starttls)
            endpoint.open()
            place.endpoints[label] = endpoint
        return place.endpoints[label]

    def _identity(self, place: _Source, item: Seed, options: EndpointOptions, server_name: str) -> Identity:
        chain = self._chain(place, item, options, server_name)
        if options.revoked and place.lists_end is not None:
            place.revoked.append(chain.leaf.certificate.serial_number)
            self._write_lists(place, place.lists_end)
        return Identity(
            leaf=chain.leaf,
            others=chain.others,
            alpn=tuple(options.alpn),
            client_ca=place.client_ca,
            client_certificate=options.client_certificate,
            version=options.version,
        )

    def _chain(self, place: _Source, item: Seed, options: EndpointOptions, server_name: str) -> Chain:
        """A new chain, or the one already made for this certificate label."""
        label = options.certificate_label
        if label in self._chains:
            return self._chains[label]
        now = self._clock.now()
        age = item.created if item.rotated is None else item.rotated
        issued_at = now - age if options.starts_in is None else now + options.starts_in
        ends_at = now + (_DEFAULT_LIFETIME if item.expires is None else item.expires)
        plan = LeafPlan(
            names=(server_name,) if options.names is None else tuple(options.names),
            not_before=min(issued_at, ends_at - timedelta(days=1)),
            not_after=ends_at,
            key=options.key,
            reuse_key=self._keys.get(options.key_label) if options.key_label else None,
            serial=options.serial,
            usages=tuple(options.usages),
            chain=options.chain,
        )
        chain = build_chain(place.hierarchy, plan, now)
        if options.key_label:
            self._keys.setdefault(options.key_label, chain.leaf.key)
        if label:
            self._chains[label] = chain
        return chain


def _write(file: Path, content: bytes) -> Path:
    """Write `content`, readable by the owner alone, and return `file`."""
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file
