"""The configuration file as pydantic documents, at the edge only; `nhisync.config.values` holds what they become.

The JSON schema is generated from these classes, so every key has a description. Nested entries are `Part`s: each is
validated on its own by `nhisync.config.load`, the schema shows them as a whole.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from nhisync.config.dependencies import NeedsDocument
from nhisync.config.fields import (
    AppName,
    BindText,
    Code,
    EndDate,
    FaultDomain,
    FileName,
    HttpUrl,
    IpAddress,
    IsoDate,
    LocatorText,
    NonEmpty,
    PairKey,
    PairName,
    Part,
    PathName,
    PositiveSpan,
    ResolverAddress,
    SourceName,
    StoreUrl,
    Strict,
    Word,
)
from nhisync.config.probe_documents import ConsumersDocument, ProbeDocument, ProbesDocument, Status


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[
    list[PathName],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
    ),
]
"""One name or a list of names."""


class StoreDocument(Strict):
    """Where history, waivers and verdicts are kept."""

    url: StoreUrl = Field(
        default="sqlite:///nhisync.db",
        description="sqlite:///<file>, relative to this file's folder, or postgresql+psycopg://<user>@<host>/<database>.",
    )


class SourceDocument(Strict):
    """One provider instance; the provider's README lists the other keys."""

    model_config = ConfigDict(extra="allow")

    provider: Word = Field(description="Name of an installed provider.", examples=["vault", "aws", "tls", "file"])
    region: NonEmpty | None = Field(default=None, description="Overrides the path's region.")


class RunnerDocument(Strict):
    """What makes probes where the consumers of a path stand."""

    command: Annotated[list[NonEmpty], Field(min_length=1)] = Field(
        description="Program and arguments, no shell; at its end stands `nhisync run-probe`.",
        examples=[["ssh", "nhisync@probe.eu-north.example", "nhisync", "run-probe"]],
    )


class PathDocument(Strict):
    """One complete way to serve an app."""

    region: NonEmpty | None = Field(default=None, description="Region of all sources that name none themselves.")
    fault_domains: Annotated[list[FaultDomain], Field(min_length=1)] | None = Field(
        default=None, description="What this path fails with; default: <provider>/<region> of each source."
    )
    substitutions: dict[Word, NonEmpty] = Field(
        default={},
        description="Name → this path's value of what differs between paths inside rights: account, bucket, mount.",
        examples=[{"account": "111122223333", "bucket": "payments-eu-west-1"}],
    )
    runner: RunnerDocument | None = Field(
        default=None, description="Makes the probes that are to be run from this path (`run_from`)."
    )
    sources: Annotated[dict[SourceName, Part[SourceDocument]], Field(min_length=1)] = Field(
        description="Provider instances by name; locators begin with the name."
    )


class RolesDocument(Strict):
    """Which path has which role for this app."""

    primary: PathName = Field(default="primary", description="Name of the primary path.")
    backup: Names = Field(default=["backup"], description="Name of the backup path, or of several.")


class ServingDocument(Strict):
    """How the app is reached; asked to learn which path serves."""

    name: NonEmpty = Field(description="DNS name that a failover switches.", examples=["api.example.com"])
    addresses: dict[NonEmpty, list[IpAddress]] = Field(
        default={}, description="Role or path name → addresses that answer when it serves."
    )
    resolvers: dict[NonEmpty, list[ResolverAddress]] = Field(
        default={}, description="Groups of resolvers whose answers must agree, like internal and external."
    )


class HealthDocument(Strict):
    """A health check of the app itself, without credentials."""

    type: Literal["http", "tls", "tcp"] = Field(description="What is spoken.")
    url: HttpUrl | None = Field(default=None, description="Address of an http check.")
    address: BindText | None = Field(default=None, description="<host>:<port> of a tls or tcp check.")
    expect: list[Status] = Field(default=[200], description="HTTP status codes that count as healthy.")
    timeout: PositiveSpan = Field(default="5s", validate_default=True, description="Longest wait for the answer.")


Lifecycle = Literal["auto", "manual"]


class RotateDocument(Strict):
    """Who starts a rotation on each side."""

    primary: Lifecycle = Field(default="manual", description="`auto`: policy may plan it; `manual`: a person does.")
    backup: Lifecycle = Field(default="manual", description="The same for the backup's side.")


class PairDocument(Strict):
    """Same purpose, two identities."""

    name: PairName = Field(description="Unique in its app.", examples=["stripe-api"])
    kind: Word = Field(
        description="The credential's purpose in your words; `signing-key` says that it signs sessions or tokens.",
        examples=["api-key", "certificate"],
    )
    pair_class: Literal["independent", "shared", "exempt"] = Field(
        default="independent",
        alias="class",
        description="independent; shared by design; or exempt from judgement. The last two need owner, until, reason.",
    )
    primary: LocatorText = Field(description="Where the primary identity stands.")
    backup: LocatorText = Field(description="Where its counterpart stands.")
    rotate: Part[RotateDocument] | None = Field(default=None, description="Who starts a rotation on each side.")
    probe: Part[ProbeDocument] | Part[ProbesDocument] | None = Field(
        default=None, description="Live authentication of this pair: one probe, or one each for primary and backup."
    )
    consumers: Part[ConsumersDocument] | None = Field(
        default=None, description="Workloads that use the credentials of this pair, by side."
    )
    depends_on: NeedsDocument | None = Field(
        default=None, description="What the identities of this pair need and no provider tells, by side."
    )
    authenticates: Annotated[list[SourceName], Field(min_length=1)] | None = Field(
        default=None,
        description="Only in the app `nhisync`: sources of the backup path that log in with this pair's backup; "
        "default: all of them.",
    )
    owner: str = Field(default="", description="Who answers for the pair.")
    until: IsoDate | None = Field(default=None, description="Last day of a shared or exempt pair.")
    reason: str = Field(default="", description="Why it is shared or exempt.")
    ends: EndDate | None = Field(
        default=None,
        description="Last day on which the backup's credential works, or never; for values whose store cannot tell.",
    )


class MatchDocument(Strict):
    """One rule that pairs many items by name."""

    kind: Word = Field(description="The credentials' purpose in your words.")
    by: Literal["name", "tag"] = Field(
        default="name",
        description="`name`: equal names are one pair. `tag`: the templates say where to look, tags say which pair.",
    )
    primary: LocatorText = Field(
        description="Template with exactly one {name}; {app} stands for the app's name.",
        examples=["vault:kv/secret/{app}/{name}"],
    )
    backup: LocatorText = Field(description="The same for the backup's side.", examples=["aws:secret/{app}/{name}"])
    pair_class: Literal["independent"] = Field(
        default="independent", alias="class", description="A shared or exempt pair is named under pairs."
    )
    probe: Part[ProbeDocument] | Part[ProbesDocument] | None = Field(
        default=None,
        description="Live authentication of every pair that it makes; {app} and {name} stand for their names.",
    )


class SessionsDocument(Strict):
    """What becomes of the app's sessions in a switch, by decision."""

    on_switch: Literal["lost"] = Field(description="`lost`: everyone logs in again; nothing else can be declared.")
    owner: NonEmpty = Field(description="Who decided that.")
    until: IsoDate = Field(description="Last day on which it holds (UTC).")
    reason: NonEmpty = Field(description="Why.")


class AppDocument(Strict):
    """An application that fails over as a unit."""

    tier: Word = Field(description="Policy that judges it: critical, high, standard or your own. There is no default.")
    mode: Literal["observe", "enforce"] = Field(
        default="enforce", description="`observe` evaluates and reports but gates nothing."
    )
    owner: str = Field(default="", description="Who is woken.")
    runbook: HttpUrl | None = Field(default=None, description="What that person reads.")
    roles: RolesDocument = Field(default=RolesDocument(), description="Default: the paths named primary and backup.")
    serving: ServingDocument | None = Field(default=None, description="How it is seen which path serves.")
    health: dict[NonEmpty, HealthDocument] = Field(
        default={}, description="Role or path name → health check of the app itself."
    )
    sessions: SessionsDocument | None = Field(
        default=None, description="Declares the app's sessions lost in a switch; without it pairs have to show more."
    )
    pairs: list[Part[PairDocument]] = Field(default=[], description="Pairs named by hand.")
    match: list[Part[MatchDocument]] = Field(default=[], description="Rules that pair many items by name.")


class WaiverDocument(Strict):
    """An accepted exception; expired = the finding fails again."""

    pair: PairKey = Field(description="<app>/<pair>.", examples=["payments/api-tls"])
    code: Code = Field(description="Rule code.", examples=["NHS602"])
    until: IsoDate = Field(description="Last day on which it holds (UTC).")
    approved_by: NonEmpty = Field(description="Who accepted the risk.")
    reason: NonEmpty = Field(description="Why.")
    ticket: str = Field(default="", description="Reference, like SEC-812.")


class TlsDocument(Strict):
    """Files of a TLS listener."""

    cert: FileName = Field(description="Certificate chain, PEM.")
    key: FileName = Field(description="Private key, PEM.")
    client_ca: FileName | None = Field(default=None, description="Issuers of accepted client certificates, PEM.")


class ListenerDocument(Strict):
    """What controllers poll."""

    bind: BindText = Field(default="127.0.0.1:8443", description="Address and port.", examples=["0.0.0.0:8443"])
    tls: TlsDocument | None = Field(default=None, description="Plain HTTP without it.")
    public_profile: bool = Field(
        default=True, description="Answers leave out what blocks, and how much: gaps are reconnaissance."
    )
    agent_bind: BindText | None = Field(default=None, description="HAProxy agent-check listener.")


class OperatorDocument(Strict):
    """Takes attestations over HTTP; always authenticated."""

    bind: BindText = Field(default="127.0.0.1:9443", description="Address and port.")
    tls: TlsDocument | None = Field(default=None, description="Needed unless it listens on loopback only.")
    token_file: FileName | None = Field(default=None, description="File with the bearer token of operators.")


class SigningDocument(Strict):
    """Keys that sign statements."""

    key_file: FileName = Field(description="Private key that signs.")
    next_key_file: FileName | None = Field(default=None, description="Its successor, announced before it signs.")


class AttesterDocument(Strict):
    """Whose signed attestations count, and about what."""

    key_file: FileName = Field(description="Public key in PEM: Ed25519, P-256 or RSA.")
    kinds: Annotated[list[NonEmpty], Field(min_length=1)] = Field(
        description="Kinds it may attest.", examples=[["capacity-test"]]
    )


class AttestationsDocument(Strict):
    """How signed attestations come besides `nhisync attest`."""

    inbox: FileName = Field(description="Folder whose files (*.jws) every cycle takes in; only nhisync and attesters.")


class FilesDocument(Strict):
    """Files that are written whenever the signal changes."""

    snapshot: FileName | None = Field(
        default=None, description="What the listener process serves; default: beside the store."
    )
    statement: FileName | None = Field(default=None, description="Signed statements.")
    gdnsd_extfile: FileName | None = Field(default=None, description="States for gdnsd's extfile plugin.")
    track_file: FileName | None = Field(default=None, description="State for keepalived's track_file.")


class WebhookDocument(Strict):
    """Who is told about a change."""

    url: HttpUrl = Field(description="Receives CloudEvents by POST.")


class ExecDocument(Strict):
    """A program that is run on a change."""

    command: Annotated[list[NonEmpty], Field(min_length=1)] = Field(description="Program and arguments; no shell.")


class PublishDocument(Strict):
    """Where the signal goes besides HTTP."""

    files: FilesDocument = Field(default=FilesDocument(), description="Files.")
    webhook: WebhookDocument | None = Field(default=None, description="Events by HTTP.")
    exec: ExecDocument | None = Field(default=None, description="A program.")


class ProvidersDocument(Strict):
    """Whose code may run."""

    allow: list[NonEmpty] = Field(
        default=["nhisync"], description="Distributions whose providers may be imported.", examples=[["nhisync"]]
    )


class ConfigurationDocument(Strict):
    """Configuration of nhisync."""

    version: Literal[1] = Field(description="Version of this format.")
    store: StoreDocument = Field(default=StoreDocument(), description="Where history, waivers and verdicts are kept.")
    policies: FileName | None = Field(default=None, description="Folder with policy files; default: built-in tiers.")
    paths: Annotated[dict[PathName, Part[PathDocument]], Field(min_length=1)] = Field(
        description="Complete ways to serve an app, by name."
    )
    apps: dict[AppName, Part[AppDocument]] = Field(
        default={}, description="Applications that fail over as a unit, by name."
    )
    waivers: list[Part[WaiverDocument]] = Field(default=[], description="Accepted exceptions.")
    listener: Part[ListenerDocument] | None = Field(default=None, description="What controllers poll.")
    operator: Part[OperatorDocument] | None = Field(default=None, description="What operators use.")
    attesters: dict[Word, Part[AttesterDocument]] = Field(
        default={}, description="Who may sign attestations, by name (the signature's kid)."
    )
    attestations: Part[AttestationsDocument] | None = Field(default=None, description="How attestations come in.")
    signing: Part[SigningDocument] | None = Field(default=None, description="Keys that sign statements.")
    publish: Part[PublishDocument] | None = Field(default=None, description="Where the signal goes besides HTTP.")
    providers: ProvidersDocument = Field(default=ProvidersDocument(), description="Whose code may run.")
