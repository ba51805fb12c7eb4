"""The AWS provider: the class that nhisync loads. Boto3 comes with the first instance, not with the class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

from nhisync.spi import (
    AccessMode,
    Budget,
    Capability,
    Check,
    ErrorFact,
    FieldValue,
    GrantFacts,
    InventoryRequest,
    KindInfo,
    Locator,
    Observation,
    OpinionFacts,
    PermissionDocument,
    ProviderInfo,
    Question,
    SourceContext,
    SourceIdentity,
)
from nhisync_aws.permissions import documents, partition_of
from nhisync_aws.settings import AssumeRoleAuth, AwsSettings, WebIdentityAuth
from nhisync_aws.statements import Scope

KINDS = (
    KindInfo(
        name="secret", title="Secrets Manager secret", locator="secret/payments/stripe#api_key", authoritative=False
    ),
    KindInfo(
        name="access-key",
        title="access key of an IAM user",
        locator="access-key/svc-payments",
        authoritative=False,
        valued=False,
    ),
    KindInfo(name="role", title="IAM role", locator="role/payments-task", valued=False),
    KindInfo(
        name="service-credential",
        title="service-specific credential of an IAM user",
        locator="service-credential/codecommit.amazonaws.com/svc-git",
        valued=False,
    ),
    KindInfo(
        name="server-certificate",
        title="certificate kept in IAM",
        locator="server-certificate/old-balancer",
        valued=False,
    ),
    KindInfo(name="certificate", title="ACM certificate", locator="certificate/api.example.com", valued=False),
    KindInfo(name="parameter", title="SSM SecureString parameter", locator="parameter//payments/stripe"),
)

_EXAMPLES = (
    "dynamodb:GetItem",
    "ec2:DescribeInstances",
    "iam:GetRole",
    "kms:Decrypt",
    "lambda:InvokeFunction",
    "logs:PutLogEvents",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "secretsmanager:GetSecretValue",
    "sns:Publish",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "ssm:GetParameter",
    "sts:AssumeRole",
)
"""What stands for a wildcard; of a service that is not among them, only actions that a policy names are asked about."""


class AwsProvider:
    """One account and region of AWS, or of something that speaks its APIs."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="aws",
        title="Amazon Web Services",
        capabilities=frozenset(
            {
                Capability.INVENTORY,
                Capability.IDENTIFY,
                Capability.FINGERPRINT,
                Capability.PERMISSIONS,
                Capability.EXAMINE,
                Capability.ISSUE,
                Capability.PREVIOUS,
                Capability.GRANTS,
                Capability.OPINIONS,
                Capability.PROTECTION,
            }
        ),
        kinds=KINDS,
        settings=AwsSettings,
        sdk_roots=("boto3", "botocore"),
        examples=_EXAMPLES,
    )

    def __init__(self, settings: AwsSettings, context: SourceContext) -> None:
        from nhisync_aws.connection import Connection  # noqa: PLC0415 - boto3 comes with it

        self._settings = settings
        self._context = context
        self._connection = Connection(settings, context)

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()

    def identify(self, budget: Budget) -> SourceIdentity:
        """Who we are: AssumeRole's own answer says it, other methods ask GetCallerIdentity, which needs no grant.

        Raises:
            ProviderError: the kind says why not.
        """
        self._connection.pace(budget)
        connection = self._connection
        principal = connection.keys(budget).principal
        if not principal:
            principal = str(connection.require("sts", "GetCallerIdentity", budget, "Arn"))
        partition, account = principal.split(":")[1], principal.split(":")[4]
        return SourceIdentity(
            authority=f"{partition}:{account}",
            principal=principal,
            endpoint=urlsplit(connection.endpoint("sts", budget)).netloc,
            detail=f"region {connection.region}",
        )

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """All kinds at once, each in its own thread, so that one slow service costs only its own answers.

        Raises:
            ProviderError: nothing at all could be asked.
        """
        from nhisync_aws.inventory import observe  # noqa: PLC0415 - the class is loaded for its declaration alone, too
        from nhisync_aws.run import Run  # noqa: PLC0415 - the same

        self._connection.pace(request.budget)
        self._connection.keys(request.budget)
        yield from observe(Run(self._connection, self._settings, self._context, request))

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Every field of the wanted secrets and parameters; only ever called in the comparing process.

        Raises:
            ProviderError: nothing at all could be asked.
        """
        from nhisync_aws.values import values  # noqa: PLC0415 - only the comparing process needs it

        self._connection.pace(budget)
        self._connection.keys(budget)
        settings = self._settings
        yield from values(self._connection, wanted, budget, batch=settings.batch_values, workers=settings.workers)

    def issue(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """A session of a role that can only say who it is; it ends by itself after 15 minutes.

        Raises:
            ProviderError: UNSUPPORTED for other kinds; else why there is none.
        """
        from nhisync_aws.issuing import assumed  # noqa: PLC0415 - only the probing process needs it

        self._connection.pace(budget)
        yield from assumed(self._connection, wanted, budget)

    def previous(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """Every field of the version of a secret that is labelled AWSPREVIOUS.

        Raises:
            ProviderError: NOT_FOUND where there is none, UNSUPPORTED for other kinds; else why not.
        """
        from nhisync_aws.values import previous  # noqa: PLC0415 - only the probing process needs it

        self._connection.pace(budget)
        self._connection.keys(budget)
        yield from previous(self._connection, wanted, budget)

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """The rights of every wanted role and of the users behind access keys; other kinds hold none here."""
        from nhisync_aws.granting import facts  # noqa: PLC0415 - only tiers that compare rights need it

        self._connection.pace(budget)
        yield from facts(self._connection, wanted, budget, self._context.clock)

    def grant_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """The IAM document that reading these rights needs beside the READ document; no IO."""
        from nhisync_aws.granting import permissions_for  # noqa: PLC0415 - it comes with boto3

        return permissions_for(wanted, kinds, self._scope())

    def opinions(self, asked: Mapping[Locator, Sequence[Question]], budget: Budget) -> Iterator[OpinionFacts]:
        """What IAM's simulator would allow every wanted role and the users behind access keys."""
        from nhisync_aws.opinions import opinions  # noqa: PLC0415 - only tiers that want a second opinion need it

        self._connection.pace(budget)
        yield from opinions(self._connection, asked, budget, self._context.clock)

    def opinion_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """The IAM document that asking the simulator needs beside the one for rights; no IO."""
        from nhisync_aws.opinions import permissions_for  # noqa: PLC0415 - it comes with boto3

        return permissions_for(wanted, kinds, self._scope())

    def protection_permissions(
        self, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """The IAM document that telling how these items are guarded needs beside the READ document; no IO."""
        from nhisync_aws.guarding import permissions_for  # noqa: PLC0415 - it comes with boto3

        return permissions_for(wanted, kinds, self._scope())

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """IAM documents for exactly these items and swept kinds."""
        return documents(mode, wanted, kinds, self._scope())

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Checks of this source's situation, reachability first."""
        from nhisync_aws.doctor import Situation, examine  # noqa: PLC0415 - only `doctor` needs it

        situation = Situation(self._connection, self._settings, self._context, self.identify, self._scope())
        yield from examine(situation, mode, wanted, kinds, budget)

    def _scope(self) -> Scope:
        """Where the documents apply, as far as the configuration says."""
        auth = self._settings.auth
        arn = auth.role_arn if isinstance(auth, (AssumeRoleAuth, WebIdentityAuth)) else ""
        parts = arn.split(":") if arn else ["", "", "", "", "*"]
        return Scope(
            region=self._connection.region,
            account=parts[4],
            partition=parts[1] or partition_of(self._connection.region),
            batch=self._settings.batch_values,
        )
