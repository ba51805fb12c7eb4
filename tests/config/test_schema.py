"""The JSON schemas: valid themselves, accepted and refused documents agree with the loader."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from nhisync.config import load_policies
from nhisync.config.schema import DIALECT, cases_schema, schema
from nhisync.errors import Problem

from .conftest import DATA, SMALL

CHECKER = Path(sys.executable).with_name("check-jsonschema")
ROOT = Path(__file__).parents[2]
SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "config": lambda: schema("config"),
    "policy": lambda: schema("policy"),
    "policy-cases": cases_schema,
}


def checked(*arguments: str | Path) -> int:
    """Exit code of check-jsonschema."""
    return subprocess.run([CHECKER, *arguments], capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_valid(name: str, tmp_path: Path) -> None:
    """Each is a JSON Schema of draft 2020-12 in the eyes of another program, and its example fits it."""
    found = SCHEMAS[name]()
    assert found["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(found)
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps(found))
    assert checked("--check-metaschema", file) == 0
    for number, example in enumerate(found["examples"]):
        instance = tmp_path / f"example-{number}.json"
        instance.write_text(json.dumps(example))
        assert checked("--schemafile", file, instance) == 0


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_described(name: str) -> None:
    """An editor shows a sentence for every key and every kind of entry; no trace of class names is a title."""
    found = SCHEMAS[name]()
    for title, definition in {"root": found, **found["$defs"]}.items():
        if "properties" in definition:
            assert definition["description"], title
        for key, value in definition.get("properties", {}).items():
            assert value.get("description") or "$ref" in value, f"{title}.{key}"
            assert "title" not in value


def test_null_is_no_value() -> None:
    """A key without a value is a problem for the loader, so no schema allows it."""
    for make in SCHEMAS.values():
        text = json.dumps(make())
        assert '"null"' not in text
        assert '"default": null' not in text
        assert "$part" not in text


def test_shipped_and_full_files_fit(tmp_path: Path) -> None:
    """check-jsonschema accepts the shipped policies and a configuration with every key, and refuses bad ones."""
    config, policy = tmp_path / "config.json", tmp_path / "policy.json"
    config.write_text(json.dumps(schema("config")))
    policy.write_text(json.dumps(schema("policy")))
    assert checked("--schemafile", config, DATA / "full.yaml") == 0
    assert checked("--schemafile", policy, *sorted((ROOT / "policies").glob("*.yaml"))) == 0
    assert checked("--schemafile", config, Path(__file__).parent / "golden/many.yaml") == 1
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\ntier: critical\nlockstep: {max_lag: 24}\n")
    assert checked("--schemafile", policy, bad) == 1


CONFIGS = {
    "small": (SMALL, True),
    "plain store": (SMALL + "store: {url: 'sqlite:///a.db'}\n", True),
    "one backup as a word": (SMALL.replace("critical", "high\n    roles: {backup: backup}"), True),
    "date": (
        SMALL + "waivers: [{pair: payments/stripe-api, code: NHS602, until: 2026-12-15, approved_by: a, reason: b}]\n",
        True,
    ),
    "quoted date": (
        SMALL
        + "waivers: [{pair: payments/stripe-api, code: NHS602, until: '2026-12-15', approved_by: a, reason: b}]\n",
        True,
    ),
    "no day": (
        SMALL + "waivers: [{pair: payments/stripe-api, code: NHS602, until: 2026-02-30, approved_by: a, reason: b}]\n",
        False,
    ),
    "code": (
        SMALL + "waivers: [{pair: payments/stripe-api, code: NHI7, until: 2026-12-15, approved_by: a, reason: b}]\n",
        False,
    ),
    "unknown key": (SMALL + "stor: {}\n", False),
    "unknown nested key": (SMALL.replace("kind:", "kin: x, kind:"), False),
    "no version": (SMALL.replace("version: 1\n", ""), False),
    "version text": (SMALL.replace("version: 1", 'version: "1"'), False),
    "no tier": (SMALL.replace("    tier: critical\n", ""), False),
    "null": (SMALL + "waivers:\n", False),
    "text for bool": (SMALL + "listener: {public_profile: 'yes'}\n", False),
    "bool": (SMALL + "listener: {public_profile: false}\n", True),
    "number for text": (SMALL.replace("critical", "critical\n    owner: 7"), False),
    "app name": (SMALL.replace("payments:", "Payments:"), False),
    "signal in name": (SMALL.replace("payments:", "a-nhisync-ready:"), False),
    "path name": (SMALL.replace("  backup:", "  -x:"), False),
    "a second app": (SMALL + "  extra: {tier: high}\n", True),
    "source without provider": (SMALL.replace("{provider: aws}", "{region: x}"), False),
    "source with more": (SMALL.replace("{provider: aws}", "{provider: aws, any: [thing]}"), True),
    "bind": (SMALL + "listener: {bind: '[::1]:8443'}\n", True),
    "bind without port": (SMALL + "listener: {bind: '0.0.0.0'}\n", False),
    "duration": (SMALL.replace("kind:", "probe: {type: provider, timeout: 1m30s}, kind:"), True),
    "duration without unit": (SMALL.replace("kind:", "probe: {type: provider, timeout: 90}, kind:"), False),
    "probe type": (SMALL.replace("kind:", "probe: {type: ping}, kind:"), False),
    "status": (SMALL.replace("kind:", "probe: {type: http, url: 'http://a', expect: [99]}, kind:"), False),
    "url": (SMALL.replace("critical", "critical\n    runbook: ftp://a"), False),
    "address": (SMALL.replace("critical", "critical\n    serving: {name: a, addresses: {backup: ['::1']}}"), True),
    "no address": (SMALL.replace("critical", "critical\n    serving: {name: a, addresses: {backup: [a]}}"), False),
    "locator": (SMALL.replace("aws:secret/stripe#key", "stripe"), False),
    "empty command": (SMALL + "publish: {exec: {command: []}}\n", False),
    "fault domain": (SMALL.replace("region: eu-west-1", "fault_domains: [aws]"), False),
    "store url": (SMALL + "store: {url: 'mysql://a'}\n", False),
}


@pytest.mark.parametrize(("text", "good"), CONFIGS.values(), ids=CONFIGS.keys())
def test_schema_and_loader_agree(text: str, good: bool, problems_of: Callable[..., tuple[Problem, ...]]) -> None:
    """What an editor accepts the loader accepts, and the other way round, as far as one file can tell."""
    checker = jsonschema.Draft202012Validator(schema("config"), format_checker=jsonschema.FormatChecker())
    yaml = YAML(typ="safe", pure=True)
    yaml.constructor.yaml_constructors["tag:yaml.org,2002:timestamp"] = lambda _, node: node.value
    assert checker.is_valid(yaml.load(text)) is good
    assert (problems_of(text) == ()) is good


POLICIES = {
    "empty": ("", True),
    "value": ("lockstep: {max_lag: 1h30m}\n", True),
    "no unit": ("lockstep: {max_lag: 24}\n", False),
    "share": ("expiry: {warn_fraction: 1/2}\n", True),
    "percent": ("expiry: {warn_fraction: 50%}\n", True),
    "number": ("expiry: {warn_fraction: 0.5}\n", True),
    "half": ("expiry: {warn_fraction: half}\n", False),
    "over": ("expiry: {warn_fraction: 1.5}\n", False),
    "unknown": ("expiry: {warn: 0.5}\n", False),
    "severity": ("severities: {NHS203: info}\n", True),
    "no severity": ("severities: {NHS203: low}\n", False),
    "no code": ("severities: {NHS2: info}\n", False),
    "off": ("off: [NHS203]\n", True),
    "null": ("off:\n", False),
    "bits": ("chain: {min_rsa_bits: 512}\n", False),
}


@pytest.mark.parametrize(("text", "good"), POLICIES.values(), ids=POLICIES.keys())
def test_policy_schema_and_loader_agree(text: str, good: bool, tmp_path: Path) -> None:
    """The same for policy files."""
    whole = f"version: 1\ntier: high\n{text}"
    assert jsonschema.Draft202012Validator(schema("policy")).is_valid(YAML(typ="safe", pure=True).load(whole)) is good
    (tmp_path / "high.yaml").write_text(whole)
    assert (load_policies(tmp_path).problems == ()) is good
