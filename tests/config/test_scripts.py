"""Scripts in the configuration: whole, with known placeholders, and with a look that can tell whether it is undone."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from nhisync.config import Configuration
from nhisync.errors import Problem

from .test_probes import probes, with_probe

Load = Callable[..., Configuration]
Problems = Callable[..., tuple[Problem, ...]]

THING = "/orders/nhisync-{run}"
PROBE: dict[str, Any] = {
    "type": "http",
    "url": "https://orders.example/account",
    "auth": "bearer",
    "depth": "txn",
    "script": {
        "read": {"path": "/profile", "capture": {"old": "profile.note"}},
        "modify": {"method": "POST", "path": THING, "body": {"note": "nhisync {run}", "was": ["{old}"]}},
        "verify": {"path": THING, "equals": {"note": "nhisync {run}"}},
        "undo": {"method": "DELETE", "path": THING},
        "undone": {"path": THING, "expect": [404]},
    },
}


def changed(place: str, value: Any) -> str:
    """The probe with one key set, or taken out where `value` is None."""
    probe = deepcopy(PROBE)
    at, *steps = place.split(".")
    below: Any = probe
    for step in (at, *steps)[:-1]:
        below = below[step]
    below.pop(place.rpartition(".")[2], None)
    if value is not None:
        below[place.rpartition(".")[2]] = value
    return json.dumps(probe)


@pytest.mark.requirement("R22")
def test_a_script_becomes_the_steps_of_its_probe(load_text: Load) -> None:
    """In order, with their methods and what is right of their answers."""
    steps = json.loads(probes(load_text, json.dumps(PROBE))["backup"].script)
    assert [(step["name"], step["method"]) for step in steps] == [
        ("read", "GET"), ("modify", "POST"), ("verify", "GET"), ("undo", "DELETE"), ("undone", "GET"),
    ]  # fmt: skip
    assert steps[1]["expect"] == [200, 201, 204]
    assert "orders" not in repr(probes(load_text, json.dumps(PROBE)))


@pytest.mark.requirement("R22")
@pytest.mark.parametrize(("place", "value", "says"), [
    ("script.undo", None, "`undo` is missing"),
    ("script.undone", None, "`undone` is missing"),
    ("script.read", None, "`read` is missing"),
    ("depth", None, ".script: a script changes something at the service: say so with `depth: txn`"),
    ("depth", "auth", ".script: a script changes something at the service"),
    ("auth", None, ".script: a script is run with a credential"),
    ("type", "tls", ".script: a check of type tls takes no `script`"),
    ("script.modify.method", "DELETE", ".script.modify.method: `DELETE` is not one of"),
    ("script.modify.path", "https://evil.example/x", ".script.modify.path: must be a path at the probe's own service"),
    ("script.undo.path", "//evil.example/x", ".script.undo.path: must be a path at the probe's own service"),
    ("script.read.path", "/a b", ".script.read.path: must be a path"),
    ("script.undo.path", "/orders/{id}", ".script.undo.path: `{id}` stands for nothing; known there are {old}, {run}"),
    ("script.read.path", "/orders/{old}", ".script.read.path: `{old}` stands for nothing; known there are {run}"),
    ("script.modify.body", {"a": [{"b": "{nope}"}]}, ".script.modify.body: `{nope}` stands for nothing"),
    ("script.verify.equals", {"note": "{}"}, ".script.verify.equals: `{}` stands for nothing"),
    ("script.modify.capture", {"old": "id"}, ".script.modify.capture: `{old}` has a value already"),
    ("script.read.capture", {"run": "id"}, ".script.read.capture: `{run}` has a value already"),
    ("script.undone", {"path": THING}, ".script.undone: could not tell that the change is there still"),
    ("script.undone", {"path": THING, "equals": {"note": "nhisync {run}"}}, ".script.undone: could not tell"),
])  # fmt: skip
def test_what_could_not_be_undone_is_no_script(problems_of: Problems, place: str, value: Any, says: str) -> None:
    """Told at load, with its place."""
    found = problems_of(with_probe(changed(place, value)))
    assert any(says in problem.message for problem in found), [problem.message for problem in found]


def test_an_old_value_may_be_what_shows_the_undo(load_text: Load) -> None:
    """Another value of the same member tells as well as another status."""
    probe = changed("script.undone", {"path": THING, "equals": {"note": "{old}"}})
    assert probes(load_text, probe)["backup"].script
