"""No text of an error holds what may be a secret, whatever is wrong with the file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import Field, model_validator

from nhisync.config import Configuration, load, render_problems
from nhisync.config.secrecy import hidden, hides, is_name, looks_secret, shown
from nhisync.errors import ConfigurationError, Problem
from nhisync.spi import Document, SourceSettings

from .conftest import offering

CANARY = "hunter2-canary"

PLANTED = f"""\
version: 1
store: {{url: "postgresql+psycopg://nhisync:{CANARY}@db.example/nhisync"}}
paths:
  primary:
    region: eu-west-1
    sources:
      vault:
        provider: vault
        address: https://vault.example
        auth:
          method: approle
          role_id_file: {CANARY}
          secret_id: {CANARY}
          nested: {{deep: [{CANARY}, "{CANARY}"]}}
          note: |
            {CANARY}
            second: {CANARY}
      edge: {{provider: tls, auth: {{method: token, token: {CANARY}}}, pass_phrase: x}}
  backup:
    region: eu-north-1
    sources:
      aws: {{provider: aws, secret_access_key: "{CANARY}", session_token: {CANARY}, password: '{CANARY}'}}
      edge: {{provider: tls}}
apps:
  payments:
    tier: critical
    runbook: https://me:{CANARY}@wiki.example/x?token={CANARY}
    pairs:
      - name: stripe-api
        kind: api-key
        primary: "vault:kv/secret/stripe#key"
        backup: "aws:secret/stripe#key"
        probe: {{type: http, url: "https://api.example/?api_key={CANARY}", auth: {CANARY}}}
signing: {{key_file: {CANARY}}}
publish: {{webhook: {{url: "https://hooks.example/services/{CANARY}"}}}}
operator: {{bind: "127.0.0.1:1", token_file: {CANARY}}}
"""


class TokenAuth(Document):
    """A way to log in."""

    method: Literal["token"]
    token_file: str


class RoleAuth(Document):
    """Another way to log in."""

    method: Literal["approle"]
    role_id_file: str
    secret_id_file: str


class CarelessSettings(SourceSettings):
    """A provider whose author quotes values in messages."""

    address: str = ""
    auth: Annotated[TokenAuth | RoleAuth, Field(discriminator="method")] | None = None

    @model_validator(mode="before")
    @classmethod
    def quote(cls, data: Any) -> Any:
        """Complain with everything in it."""
        if isinstance(data, dict) and "quote" in data:
            raise ValueError(f"cannot use {data}")
        return data


def texts_of(text: str, folder: Path) -> Iterator[str]:
    """Every text that loading `text` and validating its sources shows or could show."""
    file = folder / "nhisync.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    for offered in (None, offering(lambda _: CarelessSettings)):
        try:
            load(file, offered=offered)
        except ConfigurationError as error:
            yield from _shown(error)


def _shown(error: ConfigurationError) -> Iterator[str]:
    yield str(error)
    yield repr(error)
    yield render_problems(error)
    yield repr(error.problems)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def test_planted_secrets_are_shown_by_no_problem(tmp_path: Path) -> None:
    """All planted mistakes are reported, none with its value."""
    texts = "".join(texts_of(PLANTED, tmp_path))
    assert "must not hold a password" in texts
    assert "must not hold credentials" in texts
    assert "probe.auth: is not one of" in texts
    assert CANARY not in texts


def test_a_configuration_shows_no_document_in_its_repr(load_text: Callable[..., Configuration]) -> None:
    """What a log line or a traceback with locals would print holds no source document, webhook or probe address."""
    text = PLANTED.replace(f"nhisync:{CANARY}@db", "db").replace(f"me:{CANARY}@wiki.example/x?token={CANARY}", "w.x")
    text = text.replace(f", auth: {CANARY}", "").replace(f"_file: {CANARY}", "_file: name")
    assert text.count(CANARY) > 8
    assert CANARY not in repr(load_text(text))


def test_second_phase_shows_no_secret_either(tmp_path: Path) -> None:
    """Unknown keys, wrong types, tags of unions and careless validators of a provider leak nothing."""
    text = PLANTED.replace(f"nhisync:{CANARY}@db", "nhisync@db").replace(
        f"me:{CANARY}@wiki.example/x?token={CANARY}", "w.x"
    )
    text = text.replace(f", auth: {CANARY}", ", auth: bearer")
    texts = "".join(texts_of(text, tmp_path))
    assert "unknown key" in texts
    assert CANARY not in texts
    careless = text.replace("provider: vault\n", f"provider: vault\n        quote: {CANARY}\n")
    assert CANARY not in "".join(texts_of(text.replace("method: approle", f"method: {CANARY}"), tmp_path))
    shown_quote = "".join(texts_of(careless.replace(f"quote: {CANARY}", "quote: 1"), tmp_path))
    assert "cannot use" in shown_quote
    assert CANARY not in shown_quote


MUTATED = {
    "colon forgotten": ("secret_id: ", "secret_id "),
    "flow colon forgotten": ("token: ", "token "),
    "auth misspelt": ("auth:", "auht:"),
    "auth removed": ("        auth:\n", ""),
    "indent lost": ("          secret_id", "        secret_id"),
    "alias": ("secret_id: ", "secret_id: *"),
    "tag": ("secret_id: ", "secret_id: !"),
    "open quote": ("secret_id: ", "secret_id: '"),
    "open bracket": ("secret_id: ", "secret_id: [a, "),
    "environment": ("secret_id: ", "secret_id: ${x} "),
    "value as key": (f"secret_id: {CANARY}", f"{CANARY}: x"),
    "value as key twice": (f"secret_id: {CANARY}", f"{CANARY}: x\n          {CANARY}: y"),
    "empty value as key": (f"secret_id: {CANARY}", f"{CANARY}:"),
    "glued": ("secret_id: ", "secret_id_file_"),
    "comment": ("region: eu-west-1", f"regin: eu-west-1 # was {CANARY}"),
    "number": ("secret_id: ", "secret_id: !!int "),
    "percent": ("secret_id: ", "%TAG "),
    "tab": ("          secret_id", "\t  secret_id"),
    "document": ("        auth:", "---\n        auth:"),
}


@pytest.mark.parametrize(("old", "new"), MUTATED.values(), ids=MUTATED.keys())
def test_typical_slips_leak_nothing(old: str, new: str, tmp_path: Path) -> None:
    """The slips people make around a pasted secret."""
    assert old in PLANTED
    texts = "".join(texts_of(PLANTED.replace(old, new, 1), tmp_path))
    assert texts
    assert CANARY not in texts


LINES = PLANTED.splitlines(keepends=True)
SECRETS = [i for i, line in enumerate(LINES) if CANARY in line]
NOISE = st.text(alphabet="abz:{}[]-#&*!|>'\"%@`, \t\n\\$?~<=0", max_size=4)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(line=st.integers(0, len(LINES) - 1), column=st.integers(0, 80), length=st.integers(0, 6), noise=NOISE)
@example(line=13, column=10, length=2, noise="")
def test_one_random_edit_leaks_nothing(line: int, column: int, length: int, noise: str, tmp_path: Path) -> None:
    """Any one edit ends in a configuration or a ConfigurationError, and the secrets stay in the file.

    Edits of the lines with free text keys (a value that the edit itself turns into another key's value) are covered
    above by hand; here the edit may hit any place outside the planted values.
    """
    text = LINES[line]
    start = min(column, len(text))
    if CANARY in text and start + length > (text.find(":") if ":" in text else text.index(CANARY)):
        return
    edited = text[:start] + noise + text[start + length :]
    texts = "".join(texts_of("".join([*LINES[:line], edited, *LINES[line + 1 :]]), tmp_path))
    assert CANARY not in texts


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_random_documents_end_in_a_configuration_error(data: Any, tmp_path: Path) -> None:
    """Cutting, doubling, swapping and inserting lines, and plain noise, raise nothing but ConfigurationError."""
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(lines)))
        action = data.draw(st.sampled_from(["cut", "double", "swap", "insert"]))
        if action == "insert" or not lines:
            lines.insert(at, data.draw(st.text(max_size=30)) + "\n")
        elif action == "cut":
            del lines[at : at + 1]
        elif action == "double":
            lines[at:at] = lines[at : at + 1]
        else:
            other = data.draw(st.integers(0, len(lines) - 1))
            at = min(at, len(lines) - 1)
            lines[at], lines[other] = lines[other], lines[at]
    for text in texts_of("".join(lines), tmp_path):
        assert isinstance(text, str)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, loc: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All places of a document."""
    yield loc
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield from places(child, (*loc, key))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data(), value=VALUES)
def test_any_value_at_any_place_is_handled(data: Any, value: Any, full: str, tmp_path: Path) -> None:
    """Replacing any one value of a valid document by anything raises nothing but ConfigurationError."""
    import json

    from nhisync.config.reading import parse_yaml

    document = parse_yaml(full, name="f").root.value
    loc = data.draw(st.sampled_from(list(places(document))[1:]))
    parent = document
    for part in loc[:-1]:
        parent = parent[part]
    parent[loc[-1]] = value
    assert all(isinstance(text, str) for text in texts_of(json.dumps(document), tmp_path))


def test_what_looks_secret() -> None:
    """Keys of secrets are recognised; names that users give to apps, paths and sources hide nothing."""
    for key in ("auth", "token_file", "secret_id", "db_password", "api_key", "PRIVATE", "webhook", "passphrase"):
        assert looks_secret(key)
    for key in ("region", "address", "provider", "tier", "owner", "name"):
        assert not looks_secret(key)
    assert not hides(("apps", "token-service"))
    assert not hides(("paths", "secret"))
    assert not hides(("paths", "a", "sources", "keyvault"))
    assert hides(("paths", "a", "sources", "keyvault", "key"))
    assert hidden(("paths", "a", "sources", "b", "auth", "method", 0))
    assert not hidden(("apps", "token-service", "tier"))


def test_shown_words_are_printable_and_short() -> None:
    """A message cannot drive a terminal and shows no credentials of a URL."""
    assert shown("a\x1b[31mb\n\u202ec") == "a?[31mb??c"
    assert len(shown("x" * 500)) == 60
    assert shown("https://me:pw@host/x?k=v") == "https://…@host/x?…"
    assert is_name("role_arn")
    assert not is_name("a pasted line: with everything")


def test_an_unknown_key_below_auth_is_named_only_as_a_typing_error(
    problems_of: Callable[..., tuple[Problem, ...]],
) -> None:
    """A near miss is shown to be repaired; anything else may be a pasted value."""
    text = PLANTED.replace(f"nhisync:{CANARY}@db", "db").replace(f"me:{CANARY}@wiki.example/x?token={CANARY}", "w.x")
    text = text.replace(f", auth: {CANARY}", "").replace("role_id_file", "role_id_fle").replace("nested", CANARY)
    found = problems_of(text, offered=offering(lambda _: CarelessSettings))
    messages = [problem.message for problem in found if "vault.auth" in problem.message]
    assert "unknown key `role_id_fle` in paths.primary.sources.vault.auth" in messages
    assert any(message.startswith("unknown key in paths.primary.sources.vault.auth") for message in messages)
