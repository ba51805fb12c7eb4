"""Documents of live authentication probes: what is spoken, to whom, and which fields of the item are presented."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from nhisync.config.fields import BindText, FileName, HttpUrl, Matching, NonEmpty, PairName, Part, PositiveSpan, Strict

Status = Annotated[int, Field(ge=100, le=599)]
"""An HTTP status code."""


ScriptPath = Annotated[
    str, Matching(r"/(?!/)[!$-\[\]-~]*", "a path at the probe's own service, such as /orders/nhisync-{run}")
]
"""Path and query below the service of the probe's URL: the credential goes nowhere else."""

ValueName = Annotated[str, Matching(r"[a-z][a-z0-9_]{0,30}", "small letters, digits and `_`, such as order_id")]
"""What ``{name}`` stands for."""


class LookDocument(Strict):
    """One GET, and what its answer must show."""

    path: ScriptPath = Field(description="Path at the service of `url`; `{run}` is the id of the run.")
    expect: list[Status] = Field(default=[200], min_length=1, description="HTTP status codes that are right.")
    equals: dict[NonEmpty, NonEmpty] | None = Field(
        default=None, description="Members of the JSON answer, dotted, and what they must be."
    )
    capture: dict[ValueName, NonEmpty] | None = Field(
        default=None, description="Names for members of the JSON answer, dotted; later steps write them as `{name}`."
    )


class ChangeDocument(Strict):
    """The request that changes something."""

    method: Literal["POST", "PUT", "PATCH"] = Field(description="HTTP method.")
    path: ScriptPath = Field(description="Path at the service of `url`.")
    body: dict[str, JsonValue] | None = Field(
        default=None, description="JSON that is sent; its texts may hold `{name}`."
    )
    expect: list[Status] = Field(default=[200, 201, 204], min_length=1, description="HTTP status codes that are right.")
    capture: dict[ValueName, NonEmpty] | None = Field(
        default=None, description="Names for members of the JSON answer, dotted; later steps write them as `{name}`."
    )


class UndoDocument(Strict):
    """The request that takes the change back."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = Field(description="HTTP method.")
    path: ScriptPath = Field(description="Path at the service of `url`.")
    body: dict[str, JsonValue] | None = Field(
        default=None, description="JSON that is sent; its texts may hold `{name}`."
    )
    expect: list[Status] = Field(default=[200, 202, 204], min_length=1, description="HTTP status codes that are right.")


class ScriptDocument(Strict):
    """A transaction of an http probe; a change without its undo and a look afterwards is none."""

    read: LookDocument = Field(description="What must be there, or not be there, before.")
    modify: ChangeDocument = Field(description="The change.")
    verify: LookDocument = Field(description="Shows that the change is there.")
    undo: UndoDocument = Field(description="Takes the change back; made whatever happened after `modify`.")
    undone: LookDocument = Field(description="Shows that it is gone.")


class ProbeDocument(Strict):
    """How a pair's credential is presented to the service that judges it."""

    type: Literal[
        "http",
        "tls",
        "tcp",
        "postgres",
        "redis",
        "amqp",
        "aws-sts",
        "vault-token",
        "vault-approle",
        "entra-token",
        "gcp-token",
        "kubernetes-token",
        "provider",
    ] = Field(description="What is spoken; `provider` leaves it to the source's own provider.")
    url: HttpUrl | None = Field(
        default=None,
        description="Address of what speaks HTTP; of entra-token and gcp-token the token endpoint, of gcp-token with "
        "`issue` the token information endpoint.",
    )
    address: BindText | None = Field(
        default=None, description="<host>:<port> of a tls, tcp, postgres, redis or amqp probe."
    )
    auth: Literal["none", "bearer", "basic", "header", "client-certificate"] = Field(
        default="none", description="How the credential is presented."
    )
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None = Field(
        default=None, description="Name of the header, for `auth: header`."
    )
    user: NonEmpty | None = Field(
        default=None,
        description="Login name, for basic, postgres, redis and amqp; access key ID for aws-sts, role ID for "
        "vault-approle, client ID for entra-token.",
    )
    user_field: NonEmpty | None = Field(default=None, description="Field of the item that holds the login name.")
    secret_field: NonEmpty | None = Field(
        default=None, description="Field that is presented; default: the one the pair names, or the only one."
    )
    certificate_field: NonEmpty | None = Field(
        default=None, description="Field with the PEM chain, for `client-certificate`; default: the presented field."
    )
    key_field: NonEmpty | None = Field(
        default=None, description="Field with the PEM key, for `client-certificate`; default: the presented field."
    )
    session_field: NonEmpty | None = Field(
        default=None, description="Field with the session token of temporary AWS keys, for aws-sts."
    )
    issue: bool = Field(
        default=False,
        description="Let the item's own issuer mint a credential for the probe, present that one and give it back.",
    )
    database: NonEmpty | None = Field(default=None, description="Database of a postgres probe; default: the login's.")
    region: NonEmpty | None = Field(default=None, description="Region that an aws-sts request is signed for.")
    namespace: NonEmpty | None = Field(default=None, description="Namespace of a vault probe; default: the root.")
    mount: NonEmpty | None = Field(default=None, description="Path of the auth method, for vault-approle.")
    reusable: bool | None = Field(
        default=None,
        description="States that a login does not use the secret ID up (secret_id_num_uses is 0), for vault-approle.",
    )
    scope: NonEmpty | None = Field(
        default=None, description="What the token is asked for, for entra-token and gcp-token (default there: openid)."
    )
    vhost: NonEmpty | None = Field(default=None, description="Virtual host of an amqp probe; default: /.")
    tls: bool = Field(default=True, description="TLS with verification to a postgres, redis or amqp server.")
    server_name: NonEmpty | None = Field(
        default=None, description="Name the server's certificate must cover; default: the host."
    )
    ca_file: FileName | None = Field(default=None, description="Authorities that are trusted instead of the system's.")
    proxy: HttpUrl | None = Field(default=None, description="HTTP proxy of what speaks HTTP; no other one is used.")
    seen_as: NonEmpty | None = Field(
        default=None,
        description="Member of the JSON answer that names who was seen, dotted.",
        examples=["account.id"],
    )
    expect: list[Status] = Field(default=[200], description="HTTP status codes that mean accepted.")
    depth: Literal["tcp", "tls", "auth", "txn"] | None = Field(
        default=None,
        description="What the probe proves: a port, a handshake, an accepted credential, a transaction; "
        "default: as much as its type and `auth` can, transactions excepted.",
    )
    script: ScriptDocument | None = Field(
        default=None, description="Transaction of an http probe: changes something at the service and undoes it."
    )
    run_from: Literal["local", "primary", "backup"] = Field(default="local", description="Where it is run from.")
    timeout: PositiveSpan = Field(default="10s", validate_default=True, description="Longest wait for the answer.")


class ProbesDocument(Strict):
    """Probes of a pair whose sides are judged by different services."""

    primary: Part[ProbeDocument] | None = Field(default=None, description="The probe of the primary's credential.")
    backup: Part[ProbeDocument] | None = Field(default=None, description="The probe of the backup's credential.")


class ConsumerDocument(Strict):
    """One workload. Without `url` somebody attests what it has loaded (`nhisync attest APP consumer`)."""

    url: HttpUrl | None = Field(
        default=None,
        description="Where it says in JSON which generation it has loaded; https://, or this host's loopback.",
    )
    generation: NonEmpty | None = Field(
        default=None,
        description="Member of the JSON answer that holds the version id of the loaded generation, dotted.",
        examples=["secrets.stripe-api"],
    )
    server_name: NonEmpty | None = Field(
        default=None, description="Name the server's certificate must cover; default: the host."
    )
    ca_file: FileName | None = Field(default=None, description="Authorities that are trusted instead of the system's.")
    proxy: HttpUrl | None = Field(default=None, description="HTTP proxy; no other one is used.")
    run_from: Literal["local", "primary", "backup"] = Field(default="local", description="Where it is asked from.")
    timeout: PositiveSpan = Field(default="10s", validate_default=True, description="Longest wait for the answer.")


class ConsumersDocument(Strict):
    """Consumers by side; an empty mapping states that a side has none."""

    primary: dict[PairName, ConsumerDocument] | None = Field(
        default=None, description="Workloads that use the primary's credential, by name."
    )
    backup: dict[PairName, ConsumerDocument] | None = Field(
        default=None, description="Workloads that use the backup's credential, by name."
    )
