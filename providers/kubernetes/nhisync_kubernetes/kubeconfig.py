"""One context of a kubeconfig file, read without running anything.

Source: k8s.io/client-go ``tools/clientcmd/api/v1/types.go``. Users with ``exec`` or ``auth-provider`` are refused: what
runs a program by itself is a credential chain, and nhisync names its credential (docs/architecture.md).
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from nhisync.spi import Clock, ProviderError, SecretBytes
from nhisync.spi.files import small_file
from nhisync_kubernetes.credentials import Bearer, ClientPair, FileBearer, FixedBearer
from nhisync_kubernetes.errors import misconfigured
from nhisync_kubernetes.settings import Address, KubeconfigAuth, Proxy

_PROGRAMS = ("exec", "auth-provider")
_PASSWORDS = ("username", "password")


@dataclass(frozen=True, slots=True)
class Context:
    """Where a context leads, and as whom.

    Attributes:
        address: of the API server.
        server_name: name its certificate must carry, "" = the address's host.
        proxy: "" = none.
        ca: PEM bundle, None = the operating system's.
        bearer: token source, None = none.
        pair: client certificate, None = none.
        files: files of the user that hold something secret.
    """

    address: str
    server_name: str
    proxy: str
    ca: bytes | None
    bearer: Bearer | None
    pair: ClientPair | None
    files: tuple[Path, ...]


def load_context(auth: KubeconfigAuth, file: Path, clock: Clock) -> Context:
    """Read the context that `auth` names.

    Raises:
        ProviderError: MISCONFIGURED, with what the file lacks or holds too much.
    """
    return _Reader(auth, file, clock).context()


class _Reader:
    """One reading of one file."""

    def __init__(self, auth: KubeconfigAuth, file: Path, clock: Clock) -> None:
        self._named = f"kubeconfig {auth.file}"
        self._wanted = auth.context
        self._folder, self._clock = file.parent, clock
        self._document = self._parsed(small_file(file, self._named))

    def context(self) -> Context:
        context = self._entry("contexts", self._wanted, "context")
        cluster = self._entry("clusters", _word(context, "cluster"), "cluster")
        user = self._entry("users", _word(context, "user"), "user")
        self._refuse(cluster, user)
        ca = self._bytes(cluster, "certificate-authority")
        certificate, key = self._bytes(user, "client-certificate"), self._bytes(user, "client-key")
        pair = ClientPair(certificate, SecretBytes(key), self._named) if certificate and key else None
        bearer = self._bearer(user)
        if bearer is None and pair is None:
            raise self._wrong(
                f"the user of context {self._wanted} has neither a token nor a client certificate",
                "Name a context whose user has one; nhisync runs no credential plugin.",
            )
        return Context(
            address=self._checked(Address, _word(cluster, "server"), "server"),
            server_name=_word(cluster, "tls-server-name"),
            proxy=self._checked(Proxy, _word(cluster, "proxy-url"), "proxy-url") if cluster.get("proxy-url") else "",
            ca=ca,
            bearer=bearer,
            pair=pair,
            files=tuple(self._folder / user[name] for name in ("tokenFile", "client-key") if _word(user, name)),
        )

    def _refuse(self, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> None:
        if cluster.get("insecure-skip-tls-verify"):
            raise self._wrong(
                f"context {self._wanted} switches the verification of the server off",
                "Remove insecure-skip-tls-verify and name the cluster's certificate-authority.",
            )
        programs = [name for name in _PROGRAMS if user.get(name)]
        if programs:
            raise self._wrong(
                f"the user of context {self._wanted} gets its credential from a program ({programs[0]})",
                "nhisync runs no credential plugin: give it a service account of its own and use auth method "
                "token_file, or in_cluster.",
            )
        if any(user.get(name) for name in _PASSWORDS):
            raise self._wrong(
                f"the user of context {self._wanted} has a password, which API servers no longer accept",
                "Give nhisync a service account of its own and use auth method token_file.",
            )

    def _bearer(self, user: Mapping[str, Any]) -> Bearer | None:
        """As in client-go, a token file goes before a token."""
        if _word(user, "tokenFile"):
            return FileBearer(self._folder / user["tokenFile"], f"{self._named}: tokenFile", self._clock)
        return FixedBearer(_word(user, "token")) if _word(user, "token") else None

    def _bytes(self, entry: Mapping[str, Any], key: str) -> bytes | None:
        """Inline data, which goes before a file; None when the entry has neither."""
        inline = _word(entry, f"{key}-data")
        if inline:
            decoded = _base64(inline)
            if decoded is None:
                raise self._wrong(f"{key}-data is no base64", "Write it again: kubectl config set-…")
            return decoded
        named = _word(entry, key)
        return small_file(self._folder / named, f"{self._named}: {key}") if named else None

    def _entry(self, section: str, name: str, what: str) -> Mapping[str, Any]:
        """The body of the one entry of this name."""
        listed = self._document.get(section)
        found = [e for e in listed if isinstance(e, dict) and e.get("name") == name] if isinstance(listed, list) else []
        body = found[0].get(what) if len(found) == 1 and name else None
        if not isinstance(body, dict):
            raise self._wrong(
                f"it has no {what} of that name, or several",
                f"Look at: kubectl config view; the context is {self._wanted}.",
            )
        return body

    def _checked(self, form: Any, value: str, key: str) -> str:
        try:
            checked: str = TypeAdapter(form).validate_python(value)
        except ValidationError as wrong:
            why = str(wrong.errors(include_input=False)[0]["msg"])
        else:
            return checked
        raise self._wrong(f"{key} of context {self._wanted} cannot be used ({why})", f"Correct {key} in the file.")

    def _parsed(self, content: bytes) -> Mapping[str, Any]:
        document = _or_none(YAML(typ="safe", pure=True).load, content)
        if not isinstance(document, dict):
            raise self._wrong("it is no YAML document with contexts, clusters and users", "Name another file.")
        return document

    def _wrong(self, what: str, fix: str) -> ProviderError:
        return misconfigured(f"{self._named}: {what}", fix)


def _or_none(load: Callable[[bytes], Any], content: bytes) -> Any:
    """What `load` makes of the content; its exceptions carry the content, so they end here."""
    try:
        return load(content)
    except (YAMLError, ValueError, RecursionError, TypeError):
        return None


def _base64(raw: str) -> bytes | None:
    try:
        return base64.b64decode(raw, validate=True)
    except (ValueError, binascii.Error):
        return None


def _word(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""
