"""Kinds ``secret`` and ``service-account-token``: Secrets, by metadata only.

A Secret's type is not part of its metadata. Listings ask for it by field selector; a single read tells a legacy
service account token by the annotation that the API server demands of one (k8s.io/kubernetes
``pkg/apis/core/validation``, ValidateSecret).
"""

from datetime import UTC, datetime

from nhisync.spi import (
    CredentialState,
    ErrorKind,
    Item,
    Lifecycle,
    Moment,
    Precision,
    ProviderError,
    PublicId,
    Rotation,
)
from nhisync_kubernetes.api import Object
from nhisync_kubernetes.metadata import ACCOUNT_NAME, CERTIFICATE_NAME, INVALID_SINCE, LAST_USED, Meta, attributes
from nhisync_kubernetes.resources import TOKEN_TYPE
from nhisync_kubernetes.run import Run
from nhisync_kubernetes.settings import KubernetesSettings

ENDLESS = "a legacy service account token has no end; the TokenRequest API issues tokens that have one"


class SecretKind:
    """Kind ``secret``."""

    name = "secret"
    metadata = True
    fans_out = False

    def fields(self, settings: KubernetesSettings) -> str:
        """Everything but tokens, which are a kind of their own, and types without a credential."""
        return ",".join(f"type!={one}" for one in (TOKEN_TYPE, *settings.skip_types))

    def marker(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> str:  # noqa: ARG002 - the protocol's
        """Every change of the object."""
        return meta.marker

    def item(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> Item:  # noqa: ARG002 - the protocol's
        """What the metadata say."""
        if ACCOUNT_NAME in meta.marks:
            return _token(run, self.name, meta)
        certificate = meta.marks.get(CERTIFICATE_NAME, "")
        return run.item(
            self.name,
            meta,
            lifecycle=Lifecycle.OWN if certificate else meta.lifecycle,
            version=meta.revision or None,
            rotated=meta.rotated(run.now()),
            rotation=Rotation(mechanism="cert-manager") if certificate else meta.rotation,
            fields=meta.fields,
            attributes=attributes(
                certificate=certificate, copied_into_annotation=meta.last_applied, made_by=meta.made_by
            ),
        )


class TokenKind:
    """Kind ``service-account-token``: a Secret that holds a token without an end."""

    name = "service-account-token"
    metadata = True
    fans_out = False

    def fields(self, settings: KubernetesSettings) -> str:  # noqa: ARG002 - the protocol's
        """Tokens alone."""
        return f"type={TOKEN_TYPE}"

    def marker(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> str:  # noqa: ARG002 - the protocol's
        """Every change of the object."""
        return meta.marker

    def item(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> Item:  # noqa: ARG002 - the protocol's
        """What the metadata say.

        Raises:
            ProviderError: MISCONFIGURED when the Secret is no service account token.
        """
        if ACCOUNT_NAME not in meta.marks:
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                "the Secret is of another type than a service account token",
                resource=f"{meta.namespace}/{meta.name}",
                fix=f"Write {run.context.source}:secret/{meta.namespace}/{meta.name}.",
            )
        return _token(run, self.name, meta)


def _token(run: Run, kind: str, meta: Meta) -> Item:
    """Nobody rotates such a token: a new one is another Secret."""
    invalid = meta.marks.get(INVALID_SINCE, "")
    state = CredentialState.SUSPENDED if invalid else meta.state
    return run.item(
        kind,
        meta,
        *([PublicId("token-accessor", meta.uid)] if meta.uid else []),
        lifecycle=Lifecycle.STATIC,
        state=state,
        version=meta.revision or None,
        last_used=_day(meta.marks.get(LAST_USED, "")),
        fields=meta.fields,
        endless=ENDLESS,
        attributes=attributes(
            copied_into_annotation=meta.last_applied,
            invalid_since=invalid,
            service_account=f"{meta.namespace}/{meta.marks[ACCOUNT_NAME]}",
        ),
    )


def _day(raw: str) -> Moment | None:
    """A date of the token tracking (KEP-2799), which is as exact as a day."""
    try:
        return Moment(datetime.strptime(raw, "%Y-%m-%d").replace(tzinfo=UTC), Precision.DAY)
    except ValueError:
        return None
