"""The controller that fills Secrets of type service-account-token, and removes those of accounts that are gone.

Source: k8s.io/kubernetes ``pkg/controller/serviceaccount/tokens_controller.go``.
"""

import base64

from nhisync_kubernetes.emulator.definitions import NAMESPACES, SECRETS, SERVICE_ACCOUNTS, Definition
from nhisync_kubernetes.emulator.selecting import managed
from nhisync_kubernetes.emulator.store import Object, Store
from nhisync_kubernetes.emulator.tokens import Tokens
from nhisync_kubernetes.metadata import ACCOUNT_NAME, ACCOUNT_UID
from nhisync_kubernetes.resources import TOKEN_TYPE


class TokenController:
    """Acts on what changed since the last time."""

    def __init__(self, store: Store, tokens: Tokens, ca: bytes) -> None:
        self._store, self._tokens, self._ca = store, tokens, ca
        self._seen = 0

    def reconcile(self) -> None:
        """Fill new token Secrets; remove what belongs to accounts and namespaces that are gone."""
        changed = max(self._changed(one) for one in (SECRETS, SERVICE_ACCOUNTS, NAMESPACES))
        if changed <= self._seen:
            return
        self._seen = changed
        for definition in (SECRETS, SERVICE_ACCOUNTS):
            for found in self._store.all(definition):
                if self._store.get(NAMESPACES, "", found["metadata"]["namespace"]) is None:
                    self._store.delete(definition, found["metadata"]["namespace"], found["metadata"]["name"])
        for secret in self._store.all(SECRETS):
            if secret.get("type") == TOKEN_TYPE:
                self._token(secret)
        self._seen = max(self._changed(one) for one in (SECRETS, SERVICE_ACCOUNTS, NAMESPACES))

    def _token(self, secret: Object) -> None:
        metadata = secret["metadata"]
        annotations = metadata.get("annotations") or {}
        account = self._store.get(SERVICE_ACCOUNTS, metadata["namespace"], annotations.get(ACCOUNT_NAME, ""))
        if account is None:
            self._store.delete(SECRETS, metadata["namespace"], metadata["name"])
            return
        data = secret.get("data") or {}
        if data.get("token"):
            return
        token = self._tokens.legacy(account, metadata["name"])
        plain = {"token": token.encode(), "namespace": metadata["namespace"].encode(), "ca.crt": self._ca}
        data = {name: base64.b64encode(value).decode() for name, value in plain.items()} | data
        named = {**annotations, ACCOUNT_UID: account["metadata"]["uid"]}
        book = [managed(data, self._store.now(), "kube-controller-manager")]
        metadata = {**metadata, "annotations": named, "managedFields": book}
        self._store.put(SECRETS, {**secret, "data": data, "metadata": metadata})

    def _changed(self, definition: Definition) -> int:
        return self._store.changes.get(definition, 0)
