"""IAM Roles Anywhere, which moto lacks: trust anchors, profiles and revocation lists of one Region.

Source: botocore's service model. Subjects are left out: they come to be when a workload trades its certificate for a
session, and no SDK has that call.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from moto.acmpca.models import acmpca_backends

from nhisync_aws.emulator.auth import PARTITION
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.paging import page
from nhisync_aws.emulator.wire import ApiError

_PAGE = 100
_LARGEST = 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item, in the words of the service.

    Attributes:
        name: as operations spell it, for example ``TrustAnchor``.
        member: as members begin, for example ``trustAnchor``.
        path: as ARNs have it, for example ``trust-anchor``.
        made: operation that makes one.
    """

    name: str
    member: str
    path: str
    made: str

    def create(self, ctx: Context) -> dict[str, Any]:
        """Make one."""
        given = {name: value for name, value in ctx.call.params.items() if name != "tags"}
        _check(ctx, given)
        text = ctx.cloud.randomness.hex(16)
        identity = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        arn = f"arn:{PARTITION}:rolesanywhere:{ctx.call.region}:{ctx.account.id}:{self.path}/{identity}"
        row = {"enabled": False, **given, f"{self.member}Id": identity, f"{self.member}Arn": arn}
        self._rows(ctx)[identity] = {**row, "createdAt": ctx.now, "updatedAt": ctx.now}
        return {self.member: self._rows(ctx)[identity]}

    def list(self, ctx: Context) -> dict[str, Any]:
        """All, in pages."""
        size, token = int(ctx.param("pageSize", _PAGE)), ctx.param("nextToken")
        if not 1 <= size <= _LARGEST:
            raise _invalid(f"pageSize must be between 1 and {_LARGEST}.")
        rows, bad = list(self._rows(ctx).values()), _invalid("The nextToken is invalid.")
        found = page(rows, name=ctx.call.operation, token=token, size=size, bad_token=bad, endless=ctx.endless)
        return {f"{self.member}s": list(found.items), "nextToken": found.token or None}

    def get(self, ctx: Context) -> dict[str, Any]:
        """One."""
        return {self.member: self._row(ctx)}

    def update(self, ctx: Context) -> dict[str, Any]:
        """Change what the call names."""
        row = self._row(ctx)
        _check(ctx, ctx.call.params)
        row |= {**ctx.call.params, "updatedAt": ctx.now}
        return {self.member: row}

    def enable(self, ctx: Context) -> dict[str, Any]:
        """Switch on."""
        return self._switched(ctx, enabled=True)

    def disable(self, ctx: Context) -> dict[str, Any]:
        """Switch off."""
        return self._switched(ctx, enabled=False)

    def delete(self, ctx: Context) -> dict[str, Any]:
        """Take away; the answer shows it once more."""
        row = self._row(ctx)
        del self._rows(ctx)[row[f"{self.member}Id"]]
        return {self.member: row}

    def handlers(self) -> dict[str, Handler]:
        """Operation → handler."""
        named = {
            self.made: self.create,
            f"List{self.name}s": self.list,
            f"Get{self.name}": self.get,
            f"Update{self.name}": self.update,
            f"Enable{self.name}": self.enable,
            f"Disable{self.name}": self.disable,
            f"Delete{self.name}": self.delete,
        }
        return {f"rolesanywhere:{operation}": handler for operation, handler in named.items()}

    def _switched(self, ctx: Context, *, enabled: bool) -> dict[str, Any]:
        row = self._row(ctx)
        row |= {"enabled": enabled, "updatedAt": ctx.now}
        return {self.member: row}

    def _rows(self, ctx: Context) -> dict[str, dict[str, Any]]:
        return ctx.account.roles_anywhere.setdefault((ctx.call.region, self.member), {})

    def _row(self, ctx: Context) -> dict[str, Any]:
        identity = str(ctx.param(f"{self.member}Id"))
        found = self._rows(ctx).get(identity)
        if found is None:
            text = f"The {self.path} {identity} does not exist."
            raise ApiError("ResourceNotFoundException", text, status=404)
        return found


def _check(ctx: Context, given: Mapping[str, Any]) -> None:
    """What an anchor trusts and what a list revokes must be readable."""
    source = given.get("source") or {}
    data = source.get("sourceData") or {}
    if source.get("sourceType") == "CERTIFICATE_BUNDLE":
        try:
            x509.load_pem_x509_certificates(str(data.get("x509CertificateData")).encode())
        except ValueError:
            raise _invalid("Unable to parse the certificate bundle.") from None
    if source.get("sourceType") == "AWS_ACM_PCA":
        known = acmpca_backends[ctx.account.id][ctx.call.region].certificate_authorities
        if data.get("acmPcaArn") not in known:
            raise _invalid("The private certificate authority does not exist.")
    if "crlData" in given:
        _check_crl(given["crlData"])


def _check_crl(data: Any) -> None:
    raw = data if isinstance(data, bytes) else base64.b64decode(str(data))
    try:
        x509.load_pem_x509_crl(raw)
    except ValueError:
        raise _invalid("Unable to parse the certificate revocation list.") from None


def _invalid(text: str) -> ApiError:
    return ApiError("ValidationException", text)


HANDLERS: Mapping[str, Handler] = {
    **Kind("TrustAnchor", "trustAnchor", "trust-anchor", "CreateTrustAnchor").handlers(),
    **Kind("Profile", "profile", "profile", "CreateProfile").handlers(),
    **Kind("Crl", "crl", "crl", "ImportCrl").handlers(),
}
