"""The rest of the interface: fingerprints, permission documents, doctor, settings, and that no value gets out."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nhisync.registry import Registry
from nhisync.spi import AccessMode, Budget, CheckState, ErrorFact, FieldValue, InventoryRequest, Locator, ProviderError
from nhisync_file import FileProvider
from nhisync_file.keyfile import json_fields, yaml_fields
from nhisync_file.settings import FileSettings

from .conftest import CANARY, Files

SETTINGS_FILES = ("trust_file", "intermediates_file", "password_file")


def revealed(files: Files, *wanted: Locator) -> tuple[dict[tuple[str, str], bytes], list[str]]:
    """What the comparing process would see: values by (file, field), and the kinds of what it could not read."""
    values, refused = {}, []
    for answer in files.provider().values(wanted, files.budget()):
        if isinstance(answer, FieldValue):
            values[answer.locator.name, answer.field] = answer.value.reveal()
        else:
            assert isinstance(answer[1], ErrorFact)
            refused.append(answer[1].kind)
    return values, refused


def test_the_class_fits_the_interface() -> None:
    """The registry must accept the provider: declared capabilities are exactly those the class has."""
    assert Registry().load("file") is FileProvider


@pytest.mark.parametrize(
    "wrong",
    [{}, {"root": "x", "rot": "y"}, {"root": "x", "max_bytes": 0}, {"root": "x", "profile": "any"}],
)
def test_settings_refuse_what_they_do_not_know(wrong: dict[str, Any]) -> None:
    """A missing root, unknown keys and impossible numbers are load errors."""
    with pytest.raises(ValidationError):
        FileSettings(provider="file", **wrong)


@pytest.mark.requirement("R42")
def test_values_are_read_for_the_comparison_only(files: Files) -> None:
    """Every readable field must be yielded under its name, without the line end that a file has and a vault has not."""
    mounted = files.plant("kubernetes-secret", "m", {"api_key": CANARY + "\n"})
    key_file = files.plant("json", "k.json", {"api_key": CANARY})
    yaml_file = files.plant("yaml", "k.yaml", {"api_key": CANARY})
    files.write("n.json", b'{"api_key": "' + CANARY.encode() + b'", "port": 5432}')
    values, refused = revealed(files, mounted, key_file, yaml_file, Locator("files", "json", "n.json"))
    assert refused == []
    assert set(values.values()) == {CANARY.encode()}
    assert sorted(values) == [("k.json", "api_key"), ("k.yaml", "api_key"), ("m", "api_key"), ("n.json", "api_key")]


def test_private_keys_are_compared_as_text_and_only_when_plain(files: Files) -> None:
    """A plain key must be yielded in one spelling of line ends; encrypted keys and stores must be refused, typed."""
    plain = files.plant("pem", "plain.pem")
    content = (files.root / "plain.pem").read_bytes()
    files.write("dos.pem", content.replace(b"\n", b"\r\n"))
    encrypted = files.plant("pem", "locked.pem", key="encrypted")
    store = files.plant("pkcs12", "s.p12")
    values, refused = revealed(files, plain, Locator("files", "pem", "dos.pem"), encrypted, store)
    assert values["plain.pem", "private_key"] == values["dos.pem", "private_key"]
    assert values["plain.pem", "private_key"].startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert refused == ["unsupported", "unsupported"]


def test_what_cannot_be_compared_says_why(files: Files) -> None:
    """Absent files, foreign kinds and an exhausted budget must be typed answers of their own."""
    wanted = [Locator("files", "json", "none.json"), Locator("files", "tls", "x"), Locator("files", "pem", "y")]
    answers = list(files.provider().values(wanted, Budget(files.clock, seconds=60, calls=1)))
    assert [answer[1].kind for answer in answers if isinstance(answer, tuple)] == [
        "not_found",
        "unsupported",
        "throttled",
    ]


def test_permission_documents_hold_exactly_what_is_used(files: Files) -> None:
    """Named files get entries of their own, a sweep the whole root, writing modes nothing."""
    wanted = [Locator("files", "pem", "tls/a b.pem"), Locator("files", "json", "k.json", "api_key")]
    provider = files.provider()
    named, beside = provider.permissions(AccessMode.READ, wanted, frozenset())
    assert named.actions == (f"read:{files.root}/k.json", f"read:{files.root}/tls/a b.pem")
    assert f"setfacl -m u:nhisync:x {files.root}/tls\n" in named.text
    assert f"setfacl -R -m u:nhisync:rX '{files.root}/tls/a b.pem'" in named.text
    assert re.search("[rw]wx|chmod", named.text) is None
    (swept, again) = provider.permissions(AccessMode.FINGERPRINT, wanted, frozenset({"pem"}))
    assert swept.actions == (f"read:{files.root}/**",)
    assert beside.actions == again.actions == tuple(f"read:{files.document[name]}" for name in SETTINGS_FILES)
    assert f"chmod 0644 {files.document['trust_file']}" in beside.text
    assert f"chmod 0600 {files.document['password_file']}" in beside.text
    plain = files.provider(**dict.fromkeys(SETTINGS_FILES))
    assert len(plain.permissions(AccessMode.READ, wanted, frozenset())) == 1
    assert provider.permissions(AccessMode.ROTATE, wanted, frozenset()) == ()
    assert provider.permissions(AccessMode.READ, [], frozenset({"other"})) == ()


def test_doctor_on_a_healthy_source(files: Files) -> None:
    """All checks must be OK, the root first."""
    wanted = [files.plant("pem", "a.pem"), files.plant("kubernetes-secret", "m", {"api_key": CANARY})]
    checks = list(files.provider().examine(AccessMode.READ, wanted, frozenset(), files.budget()))
    granted = [f"permission:read:{files.document[name]}" for name in SETTINGS_FILES]
    named = ["reachable", "readable:a.pem", "readable:m", "password-file", "trust", *granted]
    assert [check.name for check in checks] == named
    assert {check.state for check in checks} == {CheckState.OK}


def test_doctor_names_every_fault_with_its_fix(files: Files) -> None:
    """Exposed and absent files, an open password file and unusable trust must each be a check with a next step."""
    wanted = [files.plant("json", "a.json", {"api_key": CANARY}, mode=0o644), Locator("files", "pem", "none.pem")]
    Path(files.document["password_file"]).chmod(0o644)
    checks = list(files.provider(trust_file="none").examine(AccessMode.READ, wanted, frozenset(), files.budget()))
    checks = [check for check in checks if not check.name.startswith("permission:")]
    states = [check.state for check in checks]
    assert states == [CheckState.OK, CheckState.WARNING, *[CheckState.FAILED] * 3]
    assert all(check.fix for check in checks[1:])
    assert checks[1].observed == "world-readable (0644)"
    (gone,) = files.provider(root="nowhere").examine(AccessMode.READ, wanted, frozenset(), files.budget())
    assert (gone.name, gone.state) == ("reachable", CheckState.FAILED)
    (lost,) = (
        c
        for c in files.provider(password_file="none", trust_file=None).examine(
            AccessMode.READ, [], frozenset(), files.budget()
        )
        if c.name == "password-file"
    )
    assert lost.observed == "password_file cannot be read"


@pytest.mark.requirement("R42")
def test_no_value_in_any_output(files: Files, caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    """Planted values and keys must appear in no item, check, document, error, log line or stream."""
    caplog.set_level(logging.DEBUG)
    files.plant("json", "a.json", {"api_key": CANARY, "private_key_id": CANARY}, shape="google")
    files.plant("yaml", "b.yaml", {"AccessKeyId": CANARY, "SecretAccessKey": CANARY}, shape="aws")
    files.plant("kubernetes-secret", "m", {"api_key": CANARY}, tls=True)
    files.plant("pem", "p.pem")
    files.plant("pkcs12", "s.p12")
    files.plant("pkcs12", "t.p12", other_password=True)
    files.write("broken.json", f'{{"api_key": "{CANARY}"'.encode())
    files.write("broken.yaml", f"api_key: [{CANARY}".encode())
    files.write("broken.pem", f"-----BEGIN CERTIFICATE-----\n{CANARY}\n-----END CERTIFICATE-----".encode())
    files.write("broken.p12", CANARY.encode())
    provider = files.provider()
    kinds = frozenset(kind.name for kind in FileProvider.info.kinds)
    seen = list(provider.inventory(InventoryRequest(budget=files.budget(), kinds=kinds)))
    wanted = [one.locator for one in seen if hasattr(one, "locator")]
    outputs = repr(
        [
            seen,
            list(provider.examine(AccessMode.READ, wanted, frozenset(), files.budget())),
            provider.permissions(AccessMode.READ, wanted, kinds),
            [one[1] if isinstance(one, tuple) else repr(one.value) for one in provider.values(wanted, files.budget())],
            vars(provider),
        ]
    )
    key_lines = re.findall(r"PRIVATE KEY-----\n(.+)\n", (files.root / "p.pem").read_text())
    assert len(wanted) == 10
    for secret in (CANARY, "canary-store-password", *key_lines):
        assert secret not in outputs + caplog.text + "".join(capsys.readouterr())


@pytest.mark.parametrize(("read", "content"), [(json_fields, '{"api_key": "%s"'), (yaml_fields, "api_key: [%s")])
def test_a_failed_parse_does_not_carry_the_content(read: Any, content: str) -> None:
    """Parser exceptions hold the whole text; ours must not refer to them, not even as its context."""
    with pytest.raises(ProviderError) as caught:
        read((content % CANARY).encode())
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
