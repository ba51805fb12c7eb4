"""`nhisync init`: a first ``nhisync.yaml`` and ``policies/``, made from a few answers; nothing is ever overwritten."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nhisync.config import effective_values
from nhisync.errors import UsageError, fix_of_write
from nhisync.policy import BUILTIN
from nhisync.registry import Registry

TODO = "CHANGE-ME"
"""Stands where only a person knows the value; `nhisync doctor` names each such place with its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source to begin with.

    Attributes:
        provider: provider name.
        region: its region.
        auth: method of authentication; "" = the provider's first.
        values: dotted setting → value.
    """

    provider: str
    region: str
    auth: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a person was asked.

    Attributes:
        app: name of the first app.
        tier: its tier.
        owner: who is woken.
        paths: path name → its source.
    """

    app: str
    tier: str
    owner: str
    paths: Mapping[str, Source]


def write(folder: Path, name: str, answers: Answers, registry: Registry) -> tuple[list[Path], list[Path]]:
    """Write the configuration and the policies; returns (files written, files kept because they stood there).

    Raises:
        UsageError: the configuration exists already, or the folder cannot be written.
        RegistryError: a provider is not installed.
    """
    config = folder / name
    if config.exists():
        raise UsageError(f"{config} exists and is not overwritten", fix="Name another file with --config.")
    files = {config: render(answers, registry)}
    files.update({config.parent / "policies" / f"{tier}.yaml": policy(tier) for tier in BUILTIN})
    written: list[Path] = []
    kept: list[Path] = []
    for file, text in files.items():
        (written if _create(file, text) else kept).append(file)
    return written, kept


def render(answers: Answers, registry: Registry) -> str:
    """The text of the configuration."""
    lines = [
        "# nhisync configuration; every key: nhisync schema config",
        f"# Replace what says {TODO}, then: nhisync doctor",
        "version: 1",
        'store: {url: "sqlite:///nhisync.db"}',
        "policies: ./policies",
        "paths:",
    ]
    for path, source in answers.paths.items():
        lines += [f"  {path}:", f"    region: {_scalar(source.region)}", "    sources:"]
        lines += [f"      {source.provider}:", *_block(skeleton(source, registry), "        ")]
    lines += [
        "apps:",
        f"  {answers.app}:",
        f"    tier: {_scalar(answers.tier)}",
        "    mode: observe            # reports and gates nothing; enforce when the report is understood",
        f"    owner: {_scalar(answers.owner)}",
        "    # Pairs: `nhisync discover primary --write` suggests them. By hand:",
        *(f"    {line}" for line in _examples(answers, registry)),
    ]
    return "\n".join(lines) + "\n"


def policy(tier: str) -> str:
    """The built-in tier as a file to edit."""
    lines = [
        f"# Tier {tier}: the built-in values. `nhisync policy show {tier}` says where each value comes from.",
        "version: 1",
        f"tier: {tier}",
        f"inherits: {tier}",
    ]
    section = ""
    for key, text in effective_values(BUILTIN[tier]).items():
        head, _, name = key.partition(".")
        if not name:
            continue
        if head != section:
            section = head
            lines.append(f"{head}:")
        lines.append(f"  {name}: {text}")
    return "\n".join(lines) + "\n"


def skeleton(source: Source, registry: Registry) -> dict[str, Any]:
    """The document of one source: what its provider requires, with the given values, else with `TODO`.

    Raises:
        UsageError: the provider has no such method of authentication.
        RegistryError: the provider is not installed.
    """
    schema = registry.load(source.provider).info.settings.model_json_schema()
    document: dict[str, Any] = {"provider": source.provider}
    for key in schema.get("required", []):
        if key != "provider":
            document[key] = _placeholder(key, schema["properties"][key], schema, source)
    for dotted, value in source.values.items():
        *parents, last = dotted.split(".")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return document


def auth_methods(provider: str, registry: Registry) -> tuple[str, ...]:
    """The methods of authentication a provider offers, or none."""
    schema = registry.load(provider).info.settings.model_json_schema()
    return tuple(_methods(schema.get("properties", {}).get("auth", {})))


def _placeholder(key: str, part: Mapping[str, Any], schema: Mapping[str, Any], source: Source) -> Any:
    methods = _methods(part)
    if not methods:
        return f"https://{TODO}" if key in {"address", "url", "endpoint"} else TODO
    method = source.auth or next(iter(methods))
    if method not in methods:
        have = ", ".join(methods)
        raise UsageError(f"provider `{source.provider}` has no method `{method}`", fix=f"Take one of: {have}.")
    return _variant(method, methods[method], schema, dict(source.values), f"{key}.")


def _variant(method: str, reference: str, schema: Mapping[str, Any], values: Mapping[str, str], prefix: str) -> Any:
    """What a method requires; a part that is a choice by itself gets the method of `values`, else its first."""
    variant = schema["$defs"][reference.rpartition("/")[2]]
    found: dict[str, Any] = {"method": method}
    for name in variant.get("required", []):
        inner = _methods(variant["properties"][name])
        if name == "method":
            continue
        if inner:
            chosen = values.get(f"{prefix}{name}.method", "")
            chosen = chosen if chosen in inner else next(iter(inner))
            found[name] = _variant(chosen, inner[chosen], schema, values, f"{prefix}{name}.")
        else:
            found[name] = TODO
    return found


def _methods(part: Mapping[str, Any]) -> dict[str, str]:
    """Method → reference, in the order in which the provider lists them."""
    mapping = part.get("discriminator", {}).get("mapping", {})
    order = [option["$ref"] for option in part.get("oneOf", []) if "$ref" in option]
    return dict(sorted(mapping.items(), key=lambda one: order.index(one[1]) if one[1] in order else len(order)))


def _examples(answers: Answers, registry: Registry) -> list[str]:
    """A commented pair with an example locator of each side's provider."""
    sides = []
    for source in answers.paths.values():
        kinds = registry.load(source.provider).info.kinds
        sides.append(f"{source.provider}:{kinds[0].locator}" if kinds else f"{source.provider}:{TODO}")
    primary, backup = (json.dumps(side, ensure_ascii=False) for side in sides[:2])
    return ["# pairs:", f"#   - {{name: example, kind: api-key, primary: {primary}, backup: {backup}}}"]


def _block(document: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    for key, value in document.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}:", *_block(value, f"{indent}  ")]
        else:
            lines.append(f"{indent}{key}: {_scalar(value)}")
    return lines


def _scalar(value: object) -> str:
    """A plain word as it is, everything else as a double-quoted scalar, which JSON's strings are."""
    text = str(value)
    plain = text.replace("-", "").replace("_", "").isalnum() and text.isascii() and not text[0].isdigit()
    return text if plain and text.lower() not in {"true", "false", "null"} else json.dumps(text, ensure_ascii=False)


def _create(file: Path, text: str) -> bool:
    """Write a new file; False when one stands there already."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream, _undone_by_failure(file):
            stream.write(text)
            stream.flush()
    except FileExistsError:
        return False
    except OSError as failure:
        fix = fix_of_write(failure, "Choose a folder of your own.")
        raise UsageError(f"{file} cannot be written: {failure.strerror}", fix=fix) from None
    return True


@contextlib.contextmanager
def _undone_by_failure(file: Path) -> Iterator[None]:
    """Half a file would be taken for the user's own the next time."""
    try:
        yield
    except OSError:
        file.unlink()
        raise
