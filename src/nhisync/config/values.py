"""What a configuration is for the rest of the program: frozen values, resolved names, no pydantic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from nhisync.config.policies import digest_of
from nhisync.config.problems import Mark
from nhisync.config.reading import YamlFile
from nhisync.model import App, Waiver
from nhisync.policy import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """One provider instance of a path.

    Attributes:
        name: first part of locators.
        provider: name of its provider.
        region: its own region, or its path's, or None.
        document: the keys as written, validated later against the provider's settings class; never shown.
        position: where it stands in the file.
    """

    name: str
    provider: str
    region: str | None
    document: Mapping[str, Any] = field(repr=False)
    position: Mark

    @property
    def place(self) -> str:
        """Digest of where it leads: all of it but how much it may be asked."""
        own = {key: value for key, value in self.document.items() if key != "limits"}
        return digest_of([self.provider, self.region, own])

    @property
    def domain(self) -> str | None:
        """Its fault domain, ``<provider>/<region>``; None when no region is named."""
        return f"{self.provider}/{self.region}" if self.region else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathConfig:
    """One complete way to serve an app.

    Attributes:
        name: free, part of URLs.
        region: region of sources that name none, or None.
        fault_domains: what the path fails with, sorted: declared, or ``<provider>/<region>`` of each source.
        sources: name → source, in the order of the file.
        substitutions: name → this path's value, for the comparison of rights.
        runner: program and arguments that make probes over there, empty = none.
    """

    name: str
    region: str | None
    fault_domains: tuple[str, ...]
    sources: Mapping[str, SourceConfig]
    substitutions: Mapping[str, str] = field(default_factory=dict)
    runner: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How it is seen which path serves an app.

    Attributes:
        name: DNS name that a failover switches.
        addresses: path name → addresses.
        resolvers: group → resolver addresses.
    """

    name: str
    addresses: Mapping[str, tuple[str, ...]]
    resolvers: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A health check of the app itself.

    Attributes:
        type: ``http``, ``tls`` or ``tcp``.
        target: URL, or ``host:port``; never shown, its query may hold a capability.
        expect: HTTP status codes that count as healthy.
        timeout: longest wait.
    """

    type: str
    target: str = field(repr=False)
    expect: frozenset[int]
    timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How a pair's credential is presented to the service that judges it.

    Attributes:
        type: word of `nhisync.probes.KINDS`, or ``provider``.
        target: URL or ``host:port``, "" for ``provider``; never shown, its query may hold a capability.
        auth: ``none``, ``bearer``, ``basic``, ``header``, ``client-certificate`` or ``login``.
        header: name of the header for ``header``, or "".
        user: login name, or "".
        user_field: field of the item that holds the login name, or "".
        secret_field: field that is presented, where the pair names none, or "".
        certificate_field: field with the PEM chain, or "".
        key_field: field with the PEM key, or "".
        session_field: field with the session token of temporary AWS keys, or "".
        issue: a fresh credential is minted, presented and given back, instead of a stored one.
        database: database of a postgres probe, or "".
        region: region that an aws-sts request is signed for, or "".
        namespace: Vault namespace, or "" = the root.
        mount: path of a Vault auth method, or "" = the method's own name.
        scope: what an OAuth token is asked for, or "".
        vhost: AMQP virtual host, or "" = ``/``.
        script: steps of an http probe that changes something and undoes it (JSON), or "".
        tls: False = a login is made without TLS.
        server_name: name the server's certificate must cover, or "" = the host.
        ca_file: authorities that are trusted, relative to the configuration's folder, or "" = the system's.
        proxy: HTTP proxy, or ""; never shown.
        seen_as: dotted member of a JSON answer that names who was seen, or "".
        expect: HTTP status codes that mean accepted.
        depth: how deep it proves: ``tcp``, ``tls``, ``auth`` or ``txn``.
        run_from: ``local``, or the role whose path's runner makes it: ``primary`` or ``backup``.
        timeout: longest wait.
    """

    type: str
    target: str = field(repr=False)
    auth: str
    header: str
    user: str
    user_field: str
    secret_field: str
    certificate_field: str
    key_field: str
    session_field: str
    issue: bool
    database: str
    region: str
    namespace: str
    mount: str
    scope: str
    vhost: str
    script: str = field(repr=False)
    tls: bool
    server_name: str
    ca_file: str
    proxy: str = field(repr=False)
    seen_as: str
    expect: frozenset[int]
    depth: str
    run_from: str
    timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A workload that uses a credential.

    Attributes:
        name: unique on its side of its pair.
        probe: how it is asked which generation it has loaded (type ``generation``); None = somebody attests it.
    """

    name: str
    probe: Probe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
    """Who starts a rotation on each side: ``auto`` or ``manual``."""

    primary: str = "manual"
    backup: str = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppDetails:
    """What an app has besides what it is judged by.

    Attributes:
        serving: how it is seen which path serves, or None.
        health: path name → health check.
        probes: pair name → role word → probe.
        matched: role word → probe of the pairs that a template makes, one entry for each of the app's templates.
        rotate: pair name → who starts rotations, for pairs that say so.
        consumers: pair name → role word → its consumers, for pairs and sides that say so.
    """

    serving: Serving | None = None
    health: Mapping[str, Health] = field(default_factory=dict)
    probes: Mapping[str, Mapping[str, Probe]] = field(default_factory=dict)
    matched: tuple[Mapping[str, Probe], ...] = ()
    rotate: Mapping[str, Rotate] = field(default_factory=dict)
    consumers: Mapping[str, Mapping[str, tuple[Consumer, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bind:
    """An address to listen on; port 0 = any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """``host:port``, with brackets around IPv6."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files of a TLS listener; `client_ca` None = no client certificate is asked for."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What controllers poll.

    Attributes:
        bind: where.
        tls: None = plain HTTP.
        public_profile: answers leave out what blocks.
        agent_bind: HAProxy agent-check listener, or None.
    """

    bind: Bind
    tls: Tls | None
    public_profile: bool
    agent_bind: Bind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What operators use; authenticated by `token_file`, by client certificates, or both."""

    bind: Bind
    tls: Tls | None
    token_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Key files for statements."""

    key_file: Path
    next_key_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attester:
    """Whose signed attestations count.

    Attributes:
        key_file: public key in PEM.
        kinds: what it may attest.
    """

    key_file: Path
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Where the signal goes besides HTTP.

    Attributes:
        snapshot: what the listener process serves; always set.
        statement: file for signed statements, or None.
        gdnsd_extfile: file for gdnsd, or None.
        track_file: file for keepalived, or None.
        webhook: URL that receives events, or None; may hold a capability and is never shown.
        command: program that is run on a change, empty = none.
    """

    snapshot: Path
    statement: Path | None = None
    gdnsd_extfile: Path | None = None
    track_file: Path | None = None
    webhook: str | None = field(default=None, repr=False)
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A valid configuration; `source_settings` makes a provider's own settings of a source.

    Attributes:
        file: as the user named it.
        base: absolute folder against which relative files are resolved.
        store_url: SQLAlchemy URL; SQLite files are absolute.
        policies: folder of policy files, or None = built-in tiers only.
        paths: name → path, in the order of the file.
        apps: in the order of the file.
        details: app name → serving, health, probes, rotation.
        tiers: name → effective tier, built-in ones included.
        waivers: declared ones; ``origin`` is ``file:line``.
        listener: None = not configured.
        operator: None = not configured.
        attesters: name → whose signed attestations count.
        inbox: folder of signed attestations that cycles take in, or None.
        signing: None = not configured.
        publish: files, webhook, program.
        allow: distributions whose providers may be imported.
        digest: ``sha256:…`` over the canonical document and the tiers' digests.
        document: the file with its places, for the messages of `source_settings`; never shown.
    """

    file: Path
    base: Path
    store_url: str
    policies: Path | None
    paths: Mapping[str, PathConfig]
    apps: tuple[App, ...]
    details: Mapping[str, AppDetails]
    tiers: Mapping[str, Tier]
    waivers: tuple[Waiver, ...]
    listener: Listener | None
    operator: Operator | None
    attesters: Mapping[str, Attester]
    inbox: Path | None
    signing: Signing | None
    publish: Publish
    allow: tuple[str, ...]
    digest: str
    document: YamlFile = field(repr=False, compare=False)

    def app(self, name: str) -> App | None:
        """The app called `name`, or None."""
        return next((app for app in self.apps if app.name == name), None)
