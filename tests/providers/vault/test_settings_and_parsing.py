"""Settings, HCL, instants, hosts, and the ACL matcher against a slow and simple one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nhisync.registry import Registry
from nhisync.spi import Budget, InventoryRequest, Locator, SourceContext
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync_vault.emulator.acl import Acl, parse_policy
from nhisync_vault.emulator.gotime import go_duration, parse_duration, rfc3339
from nhisync_vault.emulator.storage import LiveStorage
from nhisync_vault.facts import instant, marker, span
from nhisync_vault.grants import merge, read_grants, render
from nhisync_vault.hcl import HclError, parse_blocks
from nhisync_vault.inventory import _bare, _Sweep
from nhisync_vault.kinds.base import Listed, Run
from nhisync_vault.kinds.database import host_of
from nhisync_vault.mounts import Mount
from nhisync_vault.settings import KINDS, VaultSettings

AUTH = {"method": "token", "token_file": "token"}


def settings(**keys: Any) -> VaultSettings:
    """Settings with a valid minimum."""
    return VaultSettings.model_validate(
        {"provider": "vault", "address": "https://v.example:8200", "auth": AUTH, **keys}
    )


@pytest.mark.parametrize(
    "keys",
    [
        {"address": "http://vault.example"},
        {"address": "https://user:secret@vault.example"},
        {"address": "https://vault.example/v1"},
        {"address": "vault.example"},
        {"nodes": ["http://10.0.0.1:8200"]},
        {"auth": {"method": "environment"}},
        {"auth": {"method": "token", "token": "s.inline"}},
        {"mounts": {"bucket": ["x"]}},
        {"mounts": {"kv": [""]}},
        {"page_size": 0},
        {"read_timeout": "0s"},
        {"read_timeout": 5},
        {"addres": "https://vault.example"},
        {"address": "http://127.0.0.1:1", "auth": {"method": "cert", "certificate_file": "c", "key_file": "k"}},
    ],
)
def test_wrong_settings_are_refused_without_repeating_them(keys: dict[str, Any]) -> None:
    """Unknown keys, inline secrets, plain http abroad and nonsense are errors; input is not shown."""
    with pytest.raises(ValidationError) as caught:
        settings(**keys)
    assert "s.inline" not in str(caught.value)
    assert "secret@" not in str(caught.value)


def test_addresses_are_normalised() -> None:
    """A trailing slash is no other endpoint; loopback may be plain."""
    made = settings(address="https://v.example:8200/", nodes=["https://n1.example:8200"], namespace="/team-a/")
    assert made.endpoints == ("https://v.example:8200", "https://n1.example:8200")
    assert made.namespace == "team-a"
    assert settings(address="http://127.0.0.1:8200").address == "http://127.0.0.1:8200"


def test_the_registry_loads_the_provider() -> None:
    """Entry point, declared capabilities and class agree."""
    loaded = Registry(allow=("nhisync",)).load("vault")
    assert loaded.info.name == "vault"
    assert tuple(kind.name for kind in loaded.info.kinds) == KINDS


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('path "a/*" { capabilities = ["read"] }', ["a/*"]),
        ('path a { policy = "read" }', ["a"]),
        ('# c\n// c\n/* c\nc */ path "a" {\n capabilities = ["read", "list",]\n}\n', ["a"]),
        ('name = "x"\npath "a" { capabilities = [] }\npath "a" { capabilities = ["deny"] }', ["a", "a"]),
        ('path "a" { allowed_parameters = { "x" = ["1", 2, true] "y" = [] } }', ["a"]),
        ('path "a" { control_group { ttl = "4h" factor "ops" { identity { approvals = 1 } } } }', ["a"]),
        ('{"path": {"a": {"capabilities": ["read"]}, "b": {"capabilities": []}}}', ["a", "b"]),
        ('path "a" { comment = <<EOT\nmany\nlines\nEOT\n }', ["a"]),
    ],
)
def test_hcl_of_policies_is_read(text: str, labels: list[str]) -> None:
    """Blocks keep their order and their repetition."""
    assert [label for _, label, _ in parse_blocks(text)] == labels


@pytest.mark.parametrize(
    "text",
    ['path "a" {', 'path "a" capabilities', "path", 'path "a" { x = }', '{"path": ', "\x00", 'path "a" { x = "\\q" }'],
)
def test_broken_hcl_is_refused_without_quoting_it(text: str) -> None:
    """The message names a line, not the text."""
    with pytest.raises(HclError):
        parse_blocks(text)


@given(st.text(alphabet='path {}[]="a/*+,\n#\\', max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """The parser never fails in another way."""
    try:
        parse_blocks(text)
    except HclError:
        return


_SEGMENT = st.sampled_from(["a", "b", "ab", "+"])
_PATTERN = (
    st.tuples(st.lists(_SEGMENT, min_size=1, max_size=3), st.sampled_from(["", "*", "/*"]))
    .map(lambda p: "/".join(p[0]) + p[1])
    .filter(lambda p: "+*" not in p)
)
_PATH = st.lists(st.sampled_from(["a", "b", "ab", "c"]), min_size=1, max_size=4).map("/".join)


def _matches(pattern: str, path: str) -> bool:
    """Plain reading of the documentation: segments with +, and * for any rest."""
    prefix = pattern.endswith("*")
    wanted, parts = pattern.removesuffix("*").split("/"), path.split("/")
    if len(parts) < len(wanted) or (not prefix and len(parts) != len(wanted)):
        return False
    *heads, tail = wanted
    if any(w not in ("+", p) for w, p in zip(heads, parts, strict=False)):
        return False
    last = parts[len(wanted) - 1]
    return tail in ("+", last) or (prefix and last.startswith(tail))


@given(patterns=st.lists(_PATTERN, min_size=1, max_size=6, unique=True), path=_PATH)
def test_the_matcher_finds_a_rule_exactly_when_one_matches(patterns: list[str], path: str) -> None:
    """No pattern, no rule; an exact pattern always wins; what is found always matches."""
    rules = [rule for pattern in patterns for rule in parse_policy(f'path "{pattern}" {{ capabilities = ["read"] }}')]
    found = Acl(rules, root=False, now=datetime.now(UTC)).find(path, listing=False)
    matching = [pattern for pattern in patterns if _matches(pattern, path)]
    assert (found is None) == (not matching)
    if found is not None:
        assert found.path in matching
    if path in patterns:
        assert found is not None
        assert found.path == path


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-11-23T03:12:09Z", datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)),
        ("2026-11-23T03:12:09.123456789Z", datetime(2026, 11, 23, 3, 12, 9, 123456, tzinfo=UTC)),
        ("2026-11-23T03:12:09.5+02:00", datetime(2026, 11, 23, 1, 12, 9, 500000, tzinfo=UTC)),
        (1795403529, datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
        (0, None),
        (True, None),
        ("tomorrow", None),
        ("2026-11-23T03:12:09", None),
    ],
)
def test_instants_of_go_are_read(raw: object, expected: datetime | None) -> None:
    """Nanoseconds are cut, Go's zero time is no time, naive times are refused."""
    assert instant(raw) == expected


_FIRST = datetime(1971, 1, 1)  # noqa: DTZ001 - Hypothesis takes naive bounds and adds the zone
_LAST = datetime(2200, 1, 1)  # noqa: DTZ001 - as above


@given(st.datetimes(min_value=_FIRST, max_value=_LAST, timezones=st.just(UTC)))
def test_what_the_emulator_prints_the_adapter_reads(moment: datetime) -> None:
    """Printing and reading instants are inverse."""
    assert instant(rfc3339(moment)) == moment


@given(st.integers(min_value=0, max_value=10**9))
def test_go_durations_round_trip(seconds: int) -> None:
    """What Go would print is parsed back."""
    assert parse_duration(go_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


def test_spans_are_positive_or_nothing() -> None:
    """Zero means unset in these APIs."""
    assert [span(raw) for raw in (0, None, True, "5", -1, 90)] == [None, None, None, None, None, timedelta(seconds=90)]


def test_markers_change_with_what_they_mark() -> None:
    """Order of keys does not matter, values do."""
    assert marker({"a": 1, "b": 2}) == marker({"b": 2, "a": 1}) != marker({"a": 1, "b": 3})


@pytest.mark.parametrize(
    ("details", "host"),
    [
        (
            {"connection_url": "postgresql://{{username}}:{{password}}@DB.example:5432/app?sslmode=require"},
            "db.example",
        ),
        ({"connection_url": "postgres://u@db.example:6432/app"}, "db.example:6432"),
        ({"connection_url": "{{username}}:{{password}}@tcp(db.example:3306)/"}, "db.example"),
        ({"connection_url": "sqlserver://{{username}}:{{password}}@db.example:1433"}, "db.example"),
        ({"connection_url": "mongodb://{{username}}:{{password}}@db.example:27018/admin"}, "db.example:27018"),
        ({"connection_url": "{{username}}/{{password}}@//db.example:1521/svc"}, "db.example:1521"),
        ({"connection_url": "{{username}}:{{password}}@acme.snowflakecomputing.com/db"}, "acme.snowflakecomputing.com"),
        ({"connection_url": "postgresql://u:p@[2001:db8::1]:5432/x"}, "[2001:db8::1]"),
        ({"url": "https://es.example:9200"}, "es.example:9200"),
        ({"hosts": "c2.example, c1.example", "port": 9042}, "c1.example,c2.example:9042"),
        ({"host": "redis.example", "port": 6379}, "redis.example:6379"),
        ({}, ""),
    ],
)
def test_hosts_are_found_in_every_plugins_spelling(details: dict[str, Any], host: str) -> None:
    """The same server gives the same host, with or without its default port."""
    assert host_of(details) == host


def test_grants_merge_with_deny_on_top() -> None:
    """One block per path."""
    grants = merge([*read_grants("kv", "secret", ("a",), sweep=False), *read_grants("kv", "secret", (), sweep=True)])
    paths = [grant.path for grant in grants]
    assert paths == sorted(set(paths))
    assert 'path "secret/data/*" { capabilities = ["deny"] }' in render("t", grants)


_KEYS = st.lists(st.sampled_from(["a", "b", "a/x", "a/y/z", "c/d", "c", "aa", "a-b"]), max_size=12)


@given(_KEYS, st.sampled_from(["", "a", "a/", "b", "c/"]), st.integers(min_value=0, max_value=3))
def test_storage_pages_like_a_sorted_listing(keys: list[str], after: str, limit: int) -> None:
    """Paging is slicing of the sorted one-level listing."""
    storage = LiveStorage()
    for key in keys:
        storage.put(f"p/{key}", 1)
    names = sorted({key.split("/")[0] + ("/" if "/" in key else "") for key in keys})
    expected = [name for name in names if name > after]
    assert storage.page("p/", after, limit) == (expected[:limit] if limit else expected)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 9))), min_size=1, max_size=20),
    st.data(),
)
def test_a_lagging_view_is_the_past(writes: list[tuple[str, int | None]], data: st.DataObject) -> None:
    """N commits behind, every key has the value it had then."""
    storage = LiveStorage()
    history: list[dict[str, int]] = [{}]
    for key, value in writes:
        storage.put(key, value) if value is not None else storage.delete(key)
        before = storage.index
        storage.commit()
        state = dict(history[-1])
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
        if storage.index > before:
            history.append(state)
    lag = data.draw(st.integers(0, len(history) - 1))
    view, then = storage.lagging(lag), history[len(history) - 1 - lag]
    assert {key: view.get(key) for key in "abcd" if view.get(key) is not None} == then
    assert view.page("") == sorted(then)


def test_what_nobody_foresaw_costs_one_listed_entry() -> None:
    """An arithmetic slip at one entry of a list is its own typed answer; the listing goes on."""

    class Slipping:
        name = "kv"

        def bare(self, *_: object) -> object:
            """Trips."""
            return timedelta(days=10**12)

    clock = FakeClock()
    context = SourceContext(
        path="p", source="vault", region=None, base=Path(), clock=clock, randomness=CountingRandomness()
    )
    request = InventoryRequest(budget=Budget(clock, seconds=1))
    nobody: Any = None
    run = Run(api=nobody, cluster=nobody, table=nobody, settings=settings(), context=context, request=request)
    locator, kind = Locator("vault", "kv", "kv/odd"), cast("Any", Slipping())
    item = _bare(_Sweep(run, kind, Mount("kv", "kv"), "", {}), Listed("odd"), locator)
    assert (item.locator, item.presence.value, item.error and item.error.kind) == (locator, "unknown", "malformed")
