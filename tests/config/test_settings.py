"""Sources against what their providers declare: settings and kinds, with all other problems of the file."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field

from nhisync.config import Configuration, source_settings
from nhisync.config.validation import keys_at
from nhisync.errors import ConfigurationError, Problem, RegistryError
from nhisync.spi import Document, Duration, SourceSettings

from .conftest import SMALL, offering


class TokenAuth(Document):
    """One way to log in."""

    method: Literal["token"]
    token_file: str


class RoleAuth(Document):
    """Another way."""

    method: Literal["approle"]
    role_id_file: str
    mount: str = "approle"


class VaultSettings(SourceSettings):
    """Settings as a provider writes them."""

    address: str
    ca_file: str | None = None
    timeout: Duration = timedelta(seconds=5)
    retries: int = Field(default=2, ge=0)
    mounts: list[str] = Field(default_factory=list)
    auth: Annotated[TokenAuth | RoleAuth, Field(discriminator="method")]


class DaysSettings(SourceSettings):
    """Settings that compute with a number."""

    days: Annotated[int, AfterValidator(lambda days: timedelta(days=days).days)]


GOOD = '{provider: vault, address: "https://v", ca_file: ca.pem, auth: {method: approle, role_id_file: role_id}}'
Load = Callable[..., Configuration]
Find = Callable[..., tuple[Problem, ...]]


def with_vault(source: str) -> str:
    """The small configuration with this document for its vault."""
    return SMALL.replace("{provider: vault}", source)


def test_settings_are_typed_and_files_stay_relative(load_text: Load) -> None:
    """The provider gets its own class; the path's region is filled in; files are resolved by the provider."""
    settings = source_settings(load_text(with_vault(GOOD)), "primary", "vault", VaultSettings)
    assert isinstance(settings, VaultSettings)
    assert settings.region == "eu-west-1"
    assert settings.ca_file == "ca.pem"
    assert isinstance(settings.auth, RoleAuth)


def test_the_sources_own_region_wins(load_text: Load) -> None:
    """A source may stand elsewhere than its path."""
    text = with_vault(GOOD.replace("provider: vault", "provider: vault, region: eu-south-1"))
    assert source_settings(load_text(text), "primary", "vault", VaultSettings).region == "eu-south-1"


# what is replaced, by what, start of the message below `paths.primary.sources.vault`, what stands there, nearest word
WRONG = {
    "missing": ('address: "https://v", ', "", "VAULT: `address` is missing", "{provider", ""),
    "misspelt": ("address", "adress", "unknown key `adress` in VAULT", "adress", "address"),
    "unknown": ("address", "zzz: 1, address", "unknown key `zzz` in VAULT; known are address, auth,", "zzz", ""),
    "in a list": ("address", "mounts: [a, 7], address", "VAULT.mounts[1]: must be text; put it in quotes", "7]", ""),
    "range": ("address", "retries: -1, address", "VAULT.retries: must be greater than or equal to 0", "-1", ""),
    "duration": ("address", "timeout: 5, address", "VAULT.timeout: a duration needs a number and a unit", "5,", ""),
    "limits": ("address", "limits: {deadlin: 5s}, address", "unknown key `deadlin`", "deadlin", "deadline"),
    "method": ("method: approle", "method: aprole", "VAULT.auth.method: is not one of token", "aprole", "approle"),
    "no method": ("method: approle, ", "", "VAULT.auth: lacks the key that says its type", "{role_id_file", ""),
    "below auth": ("role_id_file", "role_id_fil", "unknown key `role_id_fil`", "role_id_fil", "role_id_file"),
    "no mapping": ("{method: approle, role_id_file: role_id}", "approle", "VAULT.auth: must be a map", "approle", ""),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "there", "suggestion"), WRONG.values(), ids=WRONG.keys())
def test_problems_have_the_places_of_the_file(
    load_text: Load, old: str, new: str, message: str, there: str, suggestion: str
) -> None:
    """A provider's own keys are reported like ours: place, near word, one problem for one mistake."""
    text = with_vault(GOOD.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        source_settings(load_text(text), "primary", "vault", VaultSettings)
    (problem,) = caught.value.problems
    assert problem.message.startswith(message.replace("VAULT", "paths.primary.sources.vault"))
    assert text.splitlines()[problem.line - 1][problem.column - 1 :].startswith(there)
    assert problem.suggestion == suggestion


def settings_of(provider: str) -> type[SourceSettings]:
    """Vault has settings of its own, and nobody installed a provider for AWS."""
    if provider == "aws":
        raise RegistryError("no installed provider is called `aws`", fix="Installed: tls, vault.")
    return VaultSettings if provider == "vault" else SourceSettings


def test_all_sources_are_checked_at_once(problems_of: Find) -> None:
    """Problems of every source come in the order of the file; a provider that cannot be loaded is one of them."""
    found = problems_of(with_vault("{provider: vault, adress: x}"), offered=offering(settings_of))
    assert [(problem.line, problem.message.partition(";")[0]) for problem in found] == [
        (6, "paths.primary.sources.vault: `auth` is missing"),
        (6, "unknown key `adress` in paths.primary.sources.vault"),
        (
            11,
            "paths.backup.sources.aws.provider: no installed provider is called `aws`. Installed: tls, vault.",
        ),
    ]
    assert problems_of(SMALL, offered=offering(lambda _: SourceSettings)) == ()


KIND = "provider `vault` has no kind `kw`; it has kv, secret"


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("vault:kv/", "vault:kw/", "apps.payments.pairs[0].primary", KIND),
        ("aws:secret/", "aws:kw/", "apps.payments.pairs[0].backup", KIND.replace("vault", "aws")),
        ('kind: api-key, primary: "vault:kv/', 'primary: "vault:kw/', "apps.payments.pairs[0].primary", KIND),
        ("pairs:\n      - {name: stripe-api", "match:\n      - {x: 1", "apps.payments.match[0].primary", KIND),
    ],
)
def test_an_unknown_kind_comes_with_all_other_problems(
    problems_of: Find, old: str, new: str, where: str, message: str
) -> None:
    """Of a pair and of a template, also where something else is wrong with it, its source or the file."""
    text = SMALL.replace("secret/stripe", "{name}").replace("kv/{name}", "kw/{name}") if "match" in new else SMALL
    text = text.replace(old, new).replace("version: 1", "version: 1\nstor: {}")
    text = text.replace("{provider: vault}", "{provider: vault, adress: x}")
    found = problems_of(text, offered=offering(lambda name: VaultSettings if name == "vault" else SourceSettings))
    assert (where, f"{where}: {message}") in [(problem.where, problem.message) for problem in found]
    assert {"stor", "paths.primary.sources.vault.adress"} <= {problem.where for problem in found}
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)
    (kind,) = [problem for problem in found if problem.where == where]
    assert text.splitlines()[kind.line - 1][kind.column - 1 :].startswith(('"vault:kw/', '"aws:kw/'))


def test_kinds_are_checked_on_every_path_of_a_role(problems_of: Find) -> None:
    """A second backup may have another provider under the same name."""
    text = SMALL.replace("apps:", "  attic: {sources: {aws: {provider: file}}}\napps:")
    text = text.replace("tier: critical", "tier: critical\n    roles: {backup: [backup, attic]}")
    (problem,) = problems_of(text, offered=offering(lambda _: SourceSettings, file=("pem",)))
    assert problem.message == "apps.payments.pairs[0].backup: provider `file` has no kind `secret`; it has pem"


def test_nothing_is_imported_while_the_list_of_what_may_be_cannot_be_read(problems_of: Find) -> None:
    """An allow-list with a mistake allows nobody, and the mistake is what is told."""
    asked: list[str] = []

    def watched(name: str) -> type[SourceSettings]:
        asked.append(name)
        return SourceSettings

    (problem,) = problems_of(SMALL + "providers: {allow: nhisync}\n", offered=offering(watched))
    assert problem.where == "providers.allow"
    assert asked == []


def test_a_duration_beyond_measure_is_a_problem(load_text: Load) -> None:
    """A span that no clock can hold is no crash."""
    configuration = load_text(with_vault(GOOD.replace("address", "timeout: 99999999999999999999d, address")))
    with pytest.raises(ConfigurationError, match="timeout: this duration is longer than anything"):
        source_settings(configuration, "primary", "vault", VaultSettings)


def test_an_overflow_in_a_providers_validator_is_a_problem(load_text: Load) -> None:
    """A settings class of somebody else may compute with what it is given."""
    configuration = load_text(with_vault("{provider: vault, days: 99999999999}"))
    with pytest.raises(ConfigurationError, match="a number is too large"):
        source_settings(configuration, "primary", "vault", DaysSettings)


@pytest.mark.parametrize(
    ("limits", "wrong"),
    [
        ("deadline: 0s", "limits.deadline: must be longer than zero"),
        ("calls: 0", "limits.calls: "),
        ("rates: {read: 0}", "limits.rates.read: "),
        ("rates: {read: -1}", "limits.rates.read: "),
        ("rates: {read: .nan}", "limits.rates.read: "),
        ("rates: {read: .inf}", "limits.rates.read: "),
    ],
)
def test_limits_that_stop_everything_are_problems(load_text: Load, limits: str, wrong: str) -> None:
    """A budget that can never be spent is refused when the file is read, not in the middle of a cycle."""
    configuration = load_text(with_vault(GOOD.replace("address", f"limits: {{{limits}}}, address")))
    with pytest.raises(ConfigurationError, match=wrong):
        source_settings(configuration, "primary", "vault", VaultSettings)


def test_keys_of_nested_documents() -> None:
    """Suggestions come from the very document that was chosen by its tag."""
    assert keys_at(VaultSettings, ("limits",)) == {"deadline", "calls", "rates"}
    assert keys_at(VaultSettings, ("auth",)) == {"method", "token_file", "role_id_file", "mount"}
    assert keys_at(VaultSettings, ("auth", "token")) == {"method", "token_file"}
