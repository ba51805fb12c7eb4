"""The kit's own promises: no standard test disappears in silence, and its instruments see what they look for."""

import base64
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from nhisync.spi import ErrorKind, ProviderError
from nhisync.testing.clocks import FakeClock
from nhisync.testing.conformance import DUTIES, ProviderConformance, Trouble, leaks, listening, shown, without_a_world
from nhisync.testing.conformance.declaration import DeclarationTests
from nhisync.testing.conformance.duties import verify
from nhisync.testing.conformance.looking import TickingBudget
from nhisync.testing.conformance.stand import MANY, TROUBLED
from nhisync.testing.conformance.watch import watching
from nhisync.testing.provider import FakeProvider
from nhisync.testing.world import Seed

from .fake_hooks import DOUBLE, FakeHooks
from .fake_world import FakeWorld
from .servants import RARE, Servant

VALUE = 'canary "quoted" ü 7f3a9c51'


def define(**body: Any) -> type[FakeHooks]:
    """A conformance class of the scripted provider with these hooks and tests of its own."""
    return type("TestMade", (FakeHooks,), body)


def own_test(_self: object) -> None:
    """A test that proves nothing."""


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"test_denied_is_not_absent": None}, "test_denied_is_not_absent is deleted or replaced without a reason"),
        ({"test_close_is_patient": own_test}, "test_close_is_patient is deleted or replaced without a reason"),
        ({"faults": {}}, "test_denied_is_not_absent needs a fault for Trouble.DENIED"),
        ({"odd": ()}, "test_odd_names_come_back_as_they_are needs the hook `odd`"),
        ({"absent": ()}, "test_absence_is_proven_by_a_read needs the hook `absent`"),
        ({"seeds": (Seed(kind="kv", name="a"),)}, "test_inventory_shows_no_value needs the hook `canaries`"),
        ({"value_options": None}, "test_values_are_answered_and_hidden needs the hook `value_options`"),
        ({"reasons": {"test_invented": "x"}}, "there is no standard test called test_invented"),
        ({"reasons": {"test_close_is_patient": " "}}, "test_close_is_patient has no reason"),
        ({"reasons": {"test_probe_keeps_the_budget": "x"}}, "test_probe_keeps_the_budget does not apply"),
        ({"crowd_size": 9_999}, "crowd_size: 9999 instead of 10000 needs a `crowd_reason`"),
        ({"crowd_size": 9_999, "crowd_reason": " "}, "needs a `crowd_reason`"),
        ({"crowd_reason": "x"}, "the large sweep has 10000 items; drop the reason"),
    ],
)
def test_what_is_missing_without_a_reason_is_refused(body: dict[str, Any], complaint: str) -> None:
    """Deleting or replacing a standard test, or leaving out what it needs, is an error when the class is defined."""
    with pytest.raises(TypeError, match="does not conform") as caught:
        define(**body)
    assert complaint in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    """Nobody wants to meet them one by one."""
    with pytest.raises(TypeError) as caught:
        define(faults={}, odd=(), reasons={})
    assert len(str(caught.value).splitlines()) > 10


def test_a_class_without_a_provider_is_refused() -> None:
    """The message says how a class of hooks alone is declared."""
    with pytest.raises(TypeError, match="abstract=True"):
        type("TestNothing", (ProviderConformance,), {})


def test_a_mixin_cannot_replace_a_test_either() -> None:
    """It does not matter where in the class's bases the replacement stands."""
    mixin = type("Mixin", (), {"test_close_is_patient": own_test})
    with pytest.raises(TypeError, match="test_close_is_patient is deleted or replaced"):
        type("TestMade", (mixin, FakeHooks), {})


def test_a_reason_leaves_a_test_out_or_lets_it_be_replaced() -> None:
    """A reason without a test of one's own drops the standard one; with one it is replaced."""
    reasons = {**FakeHooks.reasons, "test_close_is_patient": "why", "test_identity_is_stable": "why"}
    made = define(reasons=reasons, test_identity_is_stable=own_test)
    assert made.test_close_is_patient is None
    assert vars(made)["test_identity_is_stable"] is own_test
    assert "test_close_is_patient" in made.left_out


def test_capabilities_decide_which_tests_apply() -> None:
    """Tests of capabilities that are not declared are not collected, and come back with the capability."""
    made = define()
    rare = {name for name, one in DUTIES.items() if one.capability in RARE}
    assert rare <= made.left_out
    more = type("TestMore", (made,), {"provider": Servant})
    assert not rare & more.left_out
    assert all(callable(getattr(more, name)) for name in rare)


def test_deleting_from_a_base_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standard test that is taken out of the kit itself, or out of a class that exists already, is missed."""
    made = define()
    verify(made)
    with monkeypatch.context() as patched:
        patched.setattr(made, "test_close_is_patient", None)
        with pytest.raises(TypeError, match="test_close_is_patient"):
            verify(made)
    monkeypatch.delattr(DeclarationTests, "test_close_is_patient")
    with pytest.raises(TypeError, match="test_close_is_patient is deleted or replaced"):
        define()


def test_every_standard_test_says_what_must_hold() -> None:
    """The names and docstrings are what a provider's author reads first."""
    assert all(one.test.__doc__ and len(one.test.__doc__) > 20 for one in DUTIES.values())
    assert len(DUTIES) > 50


class RealEndpoint(FakeHooks, abstract=True):
    """Settings instead of a world, as for an account that really exists."""

    world = None
    document: ClassVar = {"provider": "fake", "script": "an-endpoint-that-exists"}
    present = ("kv/payments/stripe", "listed/payments/visa")
    faults: ClassVar = {}
    reasons: ClassVar = {
        **without_a_world(FakeProvider, "nobody breaks a real account for a test"),
        "test_entry_point_belongs_to_the_distribution": DOUBLE,
    }


def test_a_real_endpoint_needs_settings_and_names_only(tmp_path: Path) -> None:
    """Without a world all tests that need none run, on the items that the class names."""
    made = type("TestReal", (RealEndpoint,), {})
    world = FakeWorld(clock=FakeClock(), directory=tmp_path)
    document = world.add_source("primary", "one", region="r", options={})
    for seed in FakeHooks.seeds:
        world.seed("primary", "one", seed)
    made.document = document
    stand = made.open(tmp_path)
    ran = 0
    for name, one in DUTIES.items():
        if name in made.left_out:
            continue
        one.test(made(), stand) if "stand" in one.test.__code__.co_varnames else one.test(made())
        ran += 1
    stand.close()
    world.stop()
    assert ran >= 20


@pytest.mark.parametrize(
    "disguised",
    [
        VALUE,
        VALUE[::-1],
        VALUE.encode().hex(),
        json.dumps(VALUE),
        repr(VALUE),
        quote(VALUE),
        quote(VALUE, safe=""),
        *(base64.b64encode(b"x" * n + VALUE.encode() + b"y" * (5 - n)).decode() for n in range(4)),
        *(base64.urlsafe_b64encode(b"u:" + b"p" * n + VALUE.encode()).decode() for n in range(3)),
    ],
)
def test_a_disguised_value_is_found(disguised: str) -> None:
    """The scan sees a value plain, reversed, escaped, quoted, in hex and in base64 at any place."""
    assert leaks(f"before {disguised} after", [VALUE]) == 1
    assert leaks("nothing here", [VALUE]) == 0


def test_everything_that_is_said_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    """Log records with their arguments and tracebacks, warnings, standard output and error."""
    import logging
    import warnings

    with listening() as heard:
        logging.getLogger("deep.down").debug("%s", "one")
        try:
            raise ValueError("two")
        except ValueError:
            logging.getLogger().exception("failed")
        warnings.warn("three", stacklevel=1)
        sys.stdout.write("four")
        sys.stderr.write("five")
    assert all(word in heard.text for word in ("one", "two", "three", "four", "five"))
    logging.getLogger("deep.down").debug("six")
    assert "six" not in heard.text


def test_an_error_shows_all_its_parts() -> None:
    """Message, fact, next step and traceback of an error are looked at, and what is inside containers."""
    error = ProviderError(ErrorKind.DENIED, "first", reason="second", fix="third")
    text = shown({"a": [(error, b"fourth")]})
    assert all(word in text for word in ("first", "second", "third", "fourth"))


def test_input_and_output_is_seen(tmp_path: Path) -> None:
    """Files, folders, sockets, processes and threads are seen; only those of this thread, only while it watches."""
    import socket

    with watching() as events:
        tmp_path.joinpath("x").write_text("x", encoding="utf-8")
        list(tmp_path.iterdir())
        socket.socket().close()
        subprocess.run([sys.executable, "-c", ""], check=True)
        threading.Thread(target=lambda: None).start()
    seen = " ".join(events)
    assert all(word in seen for word in ("open", "os.listdir", "socket.", "subprocess.Popen"))
    with watching() as events:
        pass
    tmp_path.joinpath("y").write_text("y", encoding="utf-8")
    assert events == []


def test_a_ticking_budget_ends_without_waiting() -> None:
    """Each call takes a second of its own clock; the stand's clock stands still."""
    clock = FakeClock()
    budget = TickingBudget(clock, seconds=2)
    before = clock.monotonic()
    budget.spend()
    budget.spend()
    with pytest.raises(ProviderError, match="time ran out"):
        budget.spend()
    assert clock.monotonic() == before


def test_nothing_but_the_kit_needs_pytest() -> None:
    """The program and the rest of its testing package are importable where pytest is not installed."""
    modules = "nhisync.cli, nhisync.app.sync, nhisync.testing.embedded, nhisync.testing.provider, nhisync.testing.desk"
    code = f"import sys; sys.modules['pytest'] = None; import {modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_cycle_under_a_fault_is_bounded(tmp_path: Path) -> None:
    """An adapter that follows an endless listing fails the tests instead of holding them up."""
    stand = FakeHooks.open(tmp_path)
    with stand.trouble(FakeHooks.faults[Trouble.ENDLESS]):
        assert stand.everything().budget.remainder.calls == TROUBLED
    assert stand.everything().budget.remainder.calls == MANY
    stand.close()
