"""The kinds, by the first segment of their locators."""

from collections.abc import Mapping

from nhisync_kubernetes.kinds.base import Kind
from nhisync_kubernetes.kinds.certificate import CertificateKind
from nhisync_kubernetes.kinds.secret import SecretKind, TokenKind
from nhisync_kubernetes.kinds.service_account import ServiceAccountKind

ALL: Mapping[str, Kind] = {
    kind.name: kind for kind in (CertificateKind(), SecretKind(), ServiceAccountKind(), TokenKind())
}
"""Every kind."""

__all__ = ["ALL", "Kind"]
