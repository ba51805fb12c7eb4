"""Equality classes of values: who shares one is told, what it is never is."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.clock import SystemRandomness
from nhisync.collect.reuse import MIN_BYTES, PUBLIC_FIELDS, Classes, Wanted, compared
from nhisync.spi import FieldValue, Locator, SecretBytes
from nhisync.testing.clocks import CountingRandomness

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

LONG = b"a-value-long-enough"


def value(path: str, name: str, hidden: bytes, field: str = "password") -> tuple[FieldValue, Wanted]:
    """A field's value on one path, and the pair side that wants it."""
    locator = Locator(path, "kv", name)
    return FieldValue(locator, field, SecretBytes(hidden)), Wanted(path, f"app/{name}", locator)


def groups(*sides: tuple[FieldValue, Wanted]) -> dict[tuple[str, str], str]:
    """The classes of these values."""
    classes = Classes(CountingRandomness())
    for one, wanted in sides:
        classes.add(one, [wanted])
    return dict(classes.groups())


@pytest.mark.requirement("R42")
def test_a_value_on_both_paths_is_one_class() -> None:
    """Both sides get the same id; a third, different value gets none."""
    found = groups(value("p", "a", LONG), value("b", "a", LONG), value("b", "c", b"something else entirely"))
    assert set(found) == {("p", "app/a"), ("b", "app/a")}
    assert len(set(found.values())) == 1


@pytest.mark.requirement("R42")
def test_a_copy_under_another_name_and_field_is_found() -> None:
    """Reuse across pairs and field names is reuse all the same."""
    found = groups(value("p", "a", LONG, "api_key"), value("b", "z", LONG, "token"))
    assert set(found) == {("p", "app/a"), ("b", "app/z")}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
@pytest.mark.requirement("R42")
def test_a_copy_with_a_line_end_is_found(end: bytes) -> None:
    """A value that went through a file often ends with a line end; what opens the door is the same."""
    assert len(groups(value("p", "a", LONG + end), value("b", "a", LONG))) == 2
    assert groups(value("p", "a", end), value("b", "a", b"\n" + end)) == {}


def test_a_value_shared_inside_one_path_is_not_told() -> None:
    """The question is whether the backup is independent, nothing else leaves the process."""
    assert groups(value("p", "a", LONG), value("p", "b", LONG)) == {}


def test_several_values_of_one_side_join_one_group() -> None:
    """A side has one group, whichever of its fields are shared, so that the engine can compare two words."""
    found = groups(
        value("p", "a", LONG, "x"),
        value("b", "a", LONG, "x"),
        value("p", "a", LONG[::-1], "y"),
        value("b", "a", LONG[::-1], "y"),
    )
    assert len(set(found.values())) == 1


@pytest.mark.parametrize("field", [*sorted(PUBLIC_FIELDS)[:5], "HOST", "Username"])
def test_public_fields_are_compared_only_when_named(field: str) -> None:
    """The same host on both sides is no reuse, unless a pair says that this field is the credential."""
    one, _ = value("p", "a", LONG, field)
    assert not compared(one, None)
    assert compared(one, field)
    assert not compared(one, "another")


@pytest.mark.parametrize(("size", "taken"), [(0, False), (MIN_BYTES - 1, False), (MIN_BYTES, True)])
def test_short_values_are_compared_only_when_named(size: int, taken: bool) -> None:
    """`true` on both sides is no reused secret."""
    one, _ = value("p", "a", b"x" * size)
    assert compared(one, None) is taken
    assert compared(one, "password")


def test_a_named_field_leaves_the_others_out() -> None:
    """A pair that names a field is compared by that field alone."""
    classes = Classes(CountingRandomness())
    for path in ("p", "b"):
        locator = Locator(path, "kv", "a", "password")
        one = FieldValue(locator.item, "other", SecretBytes(LONG))
        classes.add(one, [Wanted(path, "app/a", locator)])
    assert classes.groups() == {}


def test_ids_are_random_and_the_key_is_forgotten() -> None:
    """Two runs give other ids; a second call of the same run knows nothing any more, so nothing can be tested later."""
    first, second = (Classes(SystemRandomness()) for _ in range(2))
    for classes in (first, second):
        for one, wanted in (value("p", "a", LONG), value("b", "a", LONG)):
            classes.add(one, [wanted])
    assert set(first.groups().values()).isdisjoint(second.groups().values())
    one, wanted = value("p", "a", LONG)
    first.add(one, [wanted])
    assert first.groups() == {}


@calm
@given(
    st.lists(
        st.tuples(st.sampled_from("pb"), st.sampled_from("abc"), st.sampled_from([LONG, LONG[::-1], b"x" * 40])),
        max_size=9,
    )
)
def test_classes_say_exactly_who_shares(sides: list[tuple[str, str, bytes]]) -> None:
    """A side is in a group exactly when some value of it stands on the other path; no value is in any id."""
    found = groups(*(value(path, name, hidden) for path, name, hidden in sides))
    expected = {
        (path, f"app/{name}") for path, name, hidden in sides if any(p != path and h == hidden for p, _, h in sides)
    }
    assert set(found) == expected
    assert not any(hidden.decode() in word for word in found.values() for _, _, hidden in sides)


def test_classes_that_meet_become_one_group() -> None:
    """A side is in one group only, so groups that share a side must be one, whatever the order of the values."""
    sides = [("p", "k", b"first value"), ("b", "m", b"first value"), ("b", "k", b"second value")]
    sides += [("p", "n", b"second value"), ("p", "k", b"third value"), ("b", "k", b"third value")]
    found = groups(*(value(path, name, hidden) for path, name, hidden in sides))
    assert found["p", "app/k"] == found["b", "app/k"]
