"""One invocation: everything is checked and nothing is contacted before a use case begins."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from nhisync.errors import ConfigurationError, RegistryError, UsageError
from nhisync.spi import ProviderError
from nhisync.testing.provider import SCRIPTS, FakeProvider

from .scripted import CONFIG, session


def broken(folder: Path, text: str) -> ConfigurationError:
    """The error of opening."""
    with pytest.raises(ConfigurationError) as caught:
        session(folder, text)
    return caught.value


def test_opening_contacts_nothing(tmp_path: Path) -> None:
    """Settings are checked and providers imported; no script of any source is asked."""
    asked: list[str] = []
    for name in ("p-one", "p-idle", "b-one", "a-one"):
        SCRIPTS[name] = lambda _request, name=name: asked.append(name) or iter(())
    opened = session(tmp_path)
    opened.provider("primary", "one").close()
    assert asked == []


def test_all_problems_of_all_sources_are_told_at_once(tmp_path: Path) -> None:
    """Two sources with wrong settings and a kind that does not exist are one error, each with its place."""
    text = CONFIG.replace("script: p-idle", "skript: p-idle").replace("script: a-one", "script: [1]")
    text = text.replace("one:listed/pay/{name}", "one:lsted/pay/{name}")
    problems = broken(tmp_path, text).problems
    assert {p.where for p in problems} >= {"paths.primary.sources.idle.skript", "apps.payments.match[0].backup"}
    assert len(problems) == 3
    assert all(p.line > 1 and p.file.endswith("nhisync.yaml") for p in problems)


def test_an_unknown_kind_is_told_with_the_nearest(tmp_path: Path) -> None:
    """A kind that the provider does not have could never be observed; the line is that of the pair."""
    text = CONFIG.replace('primary: "one:kv/z"', 'primary: "one:lised/z"')
    (problem,) = broken(tmp_path, text).problems
    where = "apps.mirrored.pairs[0].primary"
    assert problem.message == f"{where}: provider `fake` has no kind `lised`; it has kv, listed"
    assert (problem.suggestion, problem.where) == ("listed", where)
    assert text.splitlines()[problem.line - 1][problem.column - 1 :].startswith('"one:lised/z"')


def test_kinds_are_checked_on_every_path_of_the_app(tmp_path: Path) -> None:
    """The last backup of an app is checked like the first, and where both lack the kind it is told once."""
    text = CONFIG.replace('backup: "one:kv/z"', 'backup: "one:kw/z"')
    assert len(broken(tmp_path, text).problems) == 1


def test_a_provider_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    """The configuration's own list decides when no registry is given; each source that names it is told."""
    with pytest.raises(ConfigurationError, match="no installed provider is called `fake`") as caught:
        session(tmp_path, registry=None)
    assert {problem.where.rpartition(".")[2] for problem in caught.value.problems} == {"provider"}
    assert len(caught.value.problems) == 4


def test_a_provider_without_its_sdk_is_refused_when_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is half started: the error names the package and the extra."""
    from dataclasses import replace

    opened = session(tmp_path)
    monkeypatch.setattr(FakeProvider, "info", replace(FakeProvider.info, sdk_roots=("no_such_sdk",)))
    with pytest.raises(RegistryError, match="needs the package `no_such_sdk`"):
        opened.provider("primary", "one")


def test_an_adapter_knows_where_it_stands(tmp_path: Path) -> None:
    """Path, source, region, the configuration's folder and the session's clock; a new instance each time."""
    opened = session(tmp_path)
    made = opened.provider("primary", "one")
    context = made._context
    assert (context.path, context.source, context.region) == ("primary", "one", "near")
    assert (context.base, context.clock, context.randomness) == (tmp_path, opened.clock, opened.randomness)
    assert made is not opened.provider("primary", "one")


@pytest.mark.requirement("R42")
def test_no_connection_logs_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With TLS keys in a file, recorded connections show tokens and values: no adapter is made while that is asked."""
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    session(tmp_path).provider("backup", "one").close()
    assert ssl.create_default_context().keylog_filename is None
    assert not keys.exists()


@pytest.mark.parametrize(
    ("path", "source", "region"),
    [("primary", "one", "near"), ("primary", "idle", "here"), ("backup", "one", "there"), ("attic", "one", None)],
)
def test_a_source_has_its_own_region_or_its_paths(tmp_path: Path, path: str, source: str, region: str | None) -> None:
    """A source says it, else its path does, else nobody knows."""
    assert session(tmp_path).region(path, source) == region


def test_fault_domains_are_declared_or_made_of_regions(tmp_path: Path) -> None:
    """`<provider>/<region>` for items and for paths, unless the path lists its domains; none without any region."""
    opened = session(tmp_path)
    assert opened.domain_of("primary", "one")(None) == "fake/near"
    assert opened.domain_of("primary", "one")("far") == "fake/far"
    assert opened.domain_of("attic", "one")(None) is None
    assert opened.domains("primary") == {"fake/near", "fake/here"}
    assert opened.domains("backup") == {"cloud/b", "cloud/c"}
    assert opened.domains("attic") == frozenset()
    assert opened.common_domains("primary", "backup") == frozenset()


def test_paths_that_declare_one_domain_have_it_in_common(tmp_path: Path) -> None:
    """A declared word that both paths have is common; the place of a backup's source is told by its items."""
    text = CONFIG.replace("[cloud/b, cloud/c]", "[cloud/b, dc/lulea, fake/there]")
    text = text.replace("    region: here\n", "    region: here\n    fault_domains: [dc/lulea, fake/there]\n")
    assert session(tmp_path, text).common_domains("primary", "backup") == {"dc/lulea"}


@pytest.mark.requirement("R4b")
def test_a_budget_is_that_of_the_source(tmp_path: Path) -> None:
    """Deadline, calls and rates are the source's; the invocation's timeout only ever shortens the deadline."""
    assert session(tmp_path).budget("backup", "one").remaining == 30
    assert session(tmp_path, timeout=5.0).budget("backup", "one").remaining == 5
    assert session(tmp_path, timeout=500.0).budget("backup", "one").remaining == 30
    budget = session(tmp_path).budget("backup", "one")
    for _ in range(7):
        budget.spend()
    with pytest.raises(ProviderError, match="budget of 7 calls"):
        budget.spend()


def test_rates_of_a_source_are_kept(tmp_path: Path) -> None:
    """The third call of a family with 2.5 a second waits; other families do not."""
    opened = session(tmp_path)
    budget = opened.budget("backup", "one")
    for _ in range(4):
        budget.spend("read")
    assert sum(opened.clock.slept) == pytest.approx(0.6)  # type: ignore[attr-defined]
    budget.spend("write")
    assert len(opened.clock.slept) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("primary", "backup", "names", "found"),
    [
        (
            "primary",
            "backup",
            (),
            {("payments", "primary", "backup"), ("mirrored", "backup", "primary"), ("mirrored", "backup", "attic")},
        ),
        ("primary", "backup", ("payments",), {("payments", "primary", "backup")}),
        ("backup", "attic", (), {("mirrored", "backup", "attic")}),
        ("backup", "primary", (), {("mirrored", "backup", "primary")}),
    ],
)
def test_role_words_and_path_names(
    tmp_path: Path, primary: str, backup: str, names: tuple[str, ...], found: set[tuple[str, str, str]]
) -> None:
    """`primary backup` are role words, resolved per app, so that mirrored apps and further backups are judged too."""
    resolved = session(tmp_path).resolve(primary, backup, names)
    assert {(app.name, p, b) for app, p, b in resolved} == found


@pytest.mark.parametrize(
    ("primary", "backup", "message"),
    [
        ("attic", "primary", "no app uses `attic` as its primary"),
        ("primary", "nowhere", "no path is called `nowhere`"),
        ("primary", "primary", "no app uses `primary` as its primary and `primary`"),
    ],
)
def test_paths_that_no_app_uses_so_are_usage_errors(tmp_path: Path, primary: str, backup: str, message: str) -> None:
    """The error says which of the two it is, and what is configured."""
    with pytest.raises(UsageError, match=message) as caught:
        session(tmp_path).resolve(primary, backup)
    assert caught.value.fix


def test_unknown_apps_are_usage_errors(tmp_path: Path) -> None:
    """One wrong name of several is enough; the configured ones are listed."""
    with pytest.raises(UsageError, match="no app is called `pay`") as caught:
        session(tmp_path).apps(["payments", "pay"])
    assert caught.value.fix == "Configured apps: payments, mirrored."


def test_settings_are_read_once(tmp_path: Path) -> None:
    """The validated settings of a source are one object for the whole invocation."""
    opened = session(tmp_path)
    assert opened.settings("backup", "one") is opened.settings("backup", "one")
    assert opened.settings("backup", "one").limits.deadline == timedelta(seconds=30)
