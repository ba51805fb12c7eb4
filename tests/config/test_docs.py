"""docs/configuration.md lists exactly the keys that the schemas know, and its examples load."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nhisync.app.session import Session
from nhisync.cli.policy import run_table
from nhisync.config import load, load_policies, render_problems
from nhisync.config.schema import schema
from nhisync.errors import ConfigurationError, Problem
from nhisync.testing.clocks import FakeClock

PAGE = (Path(__file__).parents[2] / "docs/configuration.md").read_text(encoding="utf-8")
ENTRY = {"paths": "<path>", "sources": "<source>", "apps": "<app>", "health": "<role>", "addresses": "<role>",
         "resolvers": "<group>", "severities": "<code>", "attestations": "<kind>",
         "substitutions": "<name>", "attesters": "<attester>", "primary": "<consumer>",
         "backup": "<consumer>", "equals": "<member>", "capture": "<name>", "body": "<member>"}  # fmt: skip


def keys(whole: dict[str, Any], part: dict[str, Any], at: str = "") -> Iterator[str]:
    """Dotted keys of a schema, as the page writes them."""
    while "$ref" in part:
        part = whole["$defs"][part["$ref"].rpartition("/")[2]]
    for name, child in part.get("properties", {}).items():
        place = f"{at}.{name}".removeprefix(".")
        yield place
        if place != "apps.<app>.match[].probe":  # there the keys of a pair's probe stand again
            yield from keys(whole, child, place)
    yield from forms(whole, part.get("anyOf", ()), at)
    if part.get("type") == "array":
        yield from keys(whole, part["items"], f"{at}[]")
    for child in (*part.get("patternProperties", {}).values(), part.get("additionalProperties")):
        if isinstance(child, dict):
            yield from keys(whole, child, f"{at}.{ENTRY[at.rpartition('.')[2]]}")


def forms(whole: dict[str, Any], found: Sequence[dict[str, Any]], at: str) -> Iterator[str]:
    """Keys of a value that has several forms; below the second form's own keys the first one stands again."""
    for form in found[:1]:
        yield from keys(whole, form, at)
    for form in (form for form in found[1:] if "$ref" in form):
        yield from (f"{at}.{name}" for name in whole["$defs"][form["$ref"].rpartition("/")[2]]["properties"])


def documented(heading: str) -> list[str]:
    """First column of every table below a heading of the second level."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize(("heading", "name"), [("nhisync.yaml", "config"), ("policies/<tier>.yaml", "policy")])
def test_every_key_is_documented_once(heading: str, name: Any) -> None:
    """No key is missing, none is invented, none stands twice."""
    found = documented(heading)
    whole = schema(name)
    assert sorted(found) == sorted(set(found))
    assert sorted(found) == sorted(set(keys(whole, whole)))


def examples() -> Iterator[str]:
    """All YAML examples of the page."""
    yield from re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_examples_load(problems_of: Callable[..., tuple[Problem, ...]], tmp_path: Path) -> None:
    """Every YAML example of the page is a configuration or a policy that can be used."""
    found = list(examples())
    assert len(found) >= 3
    for text in found:
        if "\ntier:" in text:
            name = re.search(r"^tier: (\S+)", text, re.MULTILINE)
            assert name
            (tmp_path / "p").mkdir(exist_ok=True)
            (tmp_path / f"p/{name[1]}.yaml").write_text(text)
            assert load_policies(tmp_path / "p").problems == ()
        elif "\ncases:" not in text:
            assert problems_of(text) == ()


def test_the_first_example_can_be_used(tmp_path: Path) -> None:
    """The page's first configuration is complete: providers, their settings, kinds."""
    file = tmp_path / "nhisync.yaml"
    file.write_text(next(examples()))
    assert [app.name for app in Session.open(file).configuration.apps] == ["payments"]


def test_the_error_example_is_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows the form of errors as it is: its first example with a typing error."""
    shown = re.search(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown
    monkeypatch.chdir(tmp_path)
    Path("nhisync.yaml").write_text(next(examples()).replace("tier: critical", "tier: crtical"))
    with pytest.raises(ConfigurationError) as caught:
        load(Path("nhisync.yaml"))
    assert render_problems(caught.value) + "\n" == shown[1]


def test_the_table_example_holds(tmp_path: Path) -> None:
    """The example of a policy test is true of the built-in tiers."""
    file = tmp_path / "cases.yaml"
    file.write_text(next(text for text in examples() if "\ncases:" in text))
    results = run_table(file, load_policies(None).tiers, FakeClock().now)
    assert results
    assert [result.wrong for result in results if result.wrong] == []
