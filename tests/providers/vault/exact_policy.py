"""A source whose identity holds exactly one policy: what `nhisync permissions` printed, or that with a line removed."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from nhisync.spi import AccessMode, CheckState, Coverage, ErrorFact, FieldValue, Item, Locator, ProviderError
from nhisync_vault.emulator.policy_store import put_policy
from nhisync_vault.grants import Grant
from nhisync_vault.permissions import needed
from nhisync_vault.settings import KINDS, VaultSettings
from nhisync_vault.transport import Ask

from .conftest import CANARY, Site

FLAVOURS = ("openbao", "vault")
RIVAL = "rival"
"""Name of a second policy that nhisync's identity would hold, if there were one."""

ITEMS = tuple(
    Locator.parse(f"vault:{name}")
    for name in (
        "kv/secret/pay/stripe",
        "db-static/database/ledger",
        "db-dynamic/database/app",
        "approle/approle/pay",
        "pki/pki/cn/api.example.com",
        "pki/pki/issuer/web",
        "transit/transit/pay",
        "ldap-static/ldap/team/pay",
        "token/job-accessor",
        "pki/pki/role/svc/robot.example.com",
    )
)
_FIELDS = {"kv": "api_key", "db-static": "password", "ldap-static": "password", "approle": "secret_id"}
_VALUED = ("kv", "db-static", "ldap-static")


class Place:
    """One such source, in one mode."""

    def __init__(self, site: Site, mode: AccessMode, *, swept: bool = False) -> None:
        self.site, self.mode = site, mode
        self.kinds = frozenset(KINDS) if swept else frozenset()
        self._settings = settings_of(swept=swept)
        for item in ITEMS:
            field = _FIELDS.get(item.kind)
            options: dict[str, Any] = {"fields": {field: CANARY}} if field else {}
            if item.kind == "token":
                options = {"expires": timedelta(days=3), "accessor": item.name}
            site.seed(item.kind, item.name, **options)
        self._core = site.world.source(site.path, "vault").core
        self._narrow()
        (document,) = site.provider(**self._settings).permissions(mode, ITEMS, self.kinds)
        self.text = document.text

    def without(self, path: str) -> str:
        """The policy with one block removed."""
        kept = [block for block in blocks(self.text) if not block.startswith(f'path "{path}" ')]
        assert len(kept) == len(blocks(self.text)) - 1
        return "".join(kept)

    def apply(self, text: str, rival: str = "") -> None:
        """Make `text` all that nhisync's identity may do, beside a second policy where one is given."""
        policy = self.site.world.source(self.site.path, "vault").policy
        with self._core.lock:
            put_policy(self._core.policies(), policy, text, now=self.site.clock.now())
            put_policy(self._core.policies(), RIVAL, rival, now=self.site.clock.now())
            self._core.storage.commit()

    def reports(self) -> list[ErrorFact]:
        """Every typed reason that identifying, the inventory and (in its mode) the value reading give."""
        provider = self.site.provider(**self._settings)
        found = []
        try:
            provider.identify(self.site.budget())
        except ProviderError as error:
            found.append(error.fact)
        # A sweep's absences are confirmed by a read of their own.
        wanted = (*ITEMS, Locator("vault", "kv", "secret/pay/never")) if self.kinds else ITEMS
        seen = self.site.observe(*wanted, kinds=tuple(self.kinds), provider=provider)
        found += [one.error for one in seen.all if isinstance(one, Item | Coverage) and one.error is not None]
        if self.mode is AccessMode.FINGERPRINT:
            found += [one[1] for one in self.values() if isinstance(one, tuple)]
        provider.close()
        return found

    def values(self) -> list[FieldValue | tuple[Locator, ErrorFact]]:
        """Every item whose kind has a value, read."""
        provider = self.site.provider(**self._settings)
        found = list(provider.values([one for one in ITEMS if one.kind in _VALUED], self.site.budget()))
        provider.close()
        return found

    def checks(self) -> list[Any]:
        """The doctor's lines."""
        provider = self.site.provider(**self._settings)
        found = list(provider.examine(self.mode, ITEMS, self.kinds, self.site.budget()))
        provider.close()
        return found

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of nhisync's identity through hvac's adapter.

        Raises:
            ProviderError: what a refusal means.
        """
        provider = self.site.provider(**self._settings)
        budget = self.site.budget()
        try:
            source = provider._source
            api = source._api(source._connect(budget), budget)
            return api.send(Ask(method=method, path=path, body=body, repeatable=False)).checked().body
        finally:
            provider.close()

    def _narrow(self) -> None:
        """Servers give tokens a default policy beside the role's: here the printed one must do alone."""
        with self._core.lock:
            view = self._core.view(self._core.mounts[f"auth/{self.site.document['auth']['mount']}/"])
            name = f"role/nhisync-{self.site.path}-vault"
            role = view.get(name)
            view.put(name, replace(role, token_no_default_policy=True, token_policies=(*role.token_policies, RIVAL)))
            self._core.storage.commit()


def settings_of(*, swept: bool) -> dict[str, Any]:
    """Settings beside the world's own: a sweep of tokens is a census."""
    return {"token_census": {"limit": 100}} if swept else {}


def grants_of(mode: AccessMode, *, swept: bool = False) -> list[Grant]:
    """The lines of a mode, known without a server."""
    document = {
        "provider": "vault",
        "address": "https://vault.example:8200",
        "auth": {"method": "approle", "role_id_file": "r", "secret_id_file": "s"},
        **settings_of(swept=swept),
    }
    return needed(VaultSettings.model_validate(document), mode, ITEMS, frozenset(KINDS) if swept else frozenset())


def lines(mode: AccessMode, *, swept: bool = False) -> Iterator[tuple[str, str]]:
    """(flavour, path) of every granting line that a flavour has a use for."""
    for flavour in FLAVOURS:
        for grant in grants_of(mode, swept=swept):
            if not grant.denies and grant.only in ("", flavour):
                yield flavour, grant.path


def blocks(text: str) -> list[str]:
    """The policy's blocks, the title before them."""
    return re.split(r"(?m)^(?=path )", text)


def prints(checks: list[Any], grant: Grant) -> bool:
    """Whether a failed check of the doctor has the line as its fix, or the same for the one mount that stands there."""
    words = grant.block.partition("capabilities = ")[2]
    fixes = [one.fix for one in checks if one.state is CheckState.FAILED]
    paths = [re.search(r'path "([^"]+)"', fix) for fix in fixes if words in fix]
    return any(found is not None and covers(grant.path, found[1]) for found in paths)


def covers(path: str, resource: str) -> bool:
    """Whether a policy's path is about this resource; listings are named with and without their last slash."""
    pattern = "".join({"*": ".*", "+": "[^/]+"}.get(char, re.escape(char)) for char in path)
    return any(re.fullmatch(pattern, one) for one in (resource, f"{resource}/"))
