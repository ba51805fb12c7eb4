"""Providers are found by name, imported only when named and allowed, and believed only after a check."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest

from nhisync.errors import RegistryError
from nhisync.registry import GROUP, Candidate, Registry
from nhisync.testing.provider import FAKE_POINT, FakeProvider

HEAD = """
from dataclasses import replace
from nhisync.spi import Capability
from nhisync.testing.provider import FakeProvider, FakeSettings
class Made(FakeProvider):
    info = replace(FakeProvider.info, name="made")
"""

SDKS = {
    "aws": set(),
    "vault": set(),
    "tls": set(),
    "file": set(),
    "azure": {"azure", "requests"},
    "gcp": {"google", "grpc", "requests"},
    "kubernetes": {"httpx"},
    "acme": {"acme", "josepy", "requests"},
    "postgres": {"psycopg"},
}
"""Provider → roots that come with its class; those of aws and vault come with the first instance only."""
ROOTS = {"boto3", "botocore", "hvac", "moto", "msal"}.union(*SDKS.values())

Install = Callable[..., list[EntryPoint]]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function that installs a distribution with one module and returns its entry points; nothing stays imported."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def put(
        code: str = HEAD, *, name: str = "made", module: str = "made_pkg", owner: str = "made-dist"
    ) -> list[EntryPoint]:
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{owner.replace('-', '_')}-1.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {owner}\nVersion: 1\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}:Made\n", encoding="utf-8")
        importlib.invalidate_caches()
        return [point for one in distributions(path=[str(tmp_path)]) for point in one.entry_points]

    yield put
    for module in set(sys.modules) - before:
        if module.endswith("_pkg"):
            del sys.modules[module]


def refused(points: list[EntryPoint], name: str = "made", allow: str = "made-dist") -> RegistryError:
    """The error of loading."""
    with pytest.raises(RegistryError) as caught:
        Registry(allow=(allow,), points=points).load(name)
    return caught.value


def test_a_provider_is_loaded_once(install: Install) -> None:
    """The class is checked when it is first asked for, and the very same one is returned afterwards."""
    registry = Registry(allow=("made-dist",), points=install())
    assert registry.load("made") is registry.load("made")
    assert registry.load("made").info.name == "made"


def test_candidates_are_listed_without_importing_them(install: Install) -> None:
    """Looking at what is installed runs no code of it; the same name twice is shown twice."""
    install()
    points = install(owner="another-dist")
    registry = Registry(points=[*points, FAKE_POINT])
    assert registry.candidates() == (
        Candidate("fake", "unknown", "nhisync.testing.provider:FakeProvider"),
        Candidate("made", "another-dist", "made_pkg:Made"),
        Candidate("made", "made-dist", "made_pkg:Made"),
    )
    assert registry.names == ("fake", "made")
    assert "made_pkg" not in sys.modules


def test_built_ins_come_through_entry_points_too() -> None:
    """Our own providers have the shape of anybody's: same group, allowed because the distribution is."""
    registry = Registry()
    ours = [one for one in registry.candidates() if one.distribution == "nhisync"]
    folders = sorted(folder.name for folder in (Path(__file__).parents[2] / "providers").iterdir() if folder.is_dir())
    assert [one.name for one in ours] == folders
    with pytest.raises(RegistryError, match="not allowed"):
        Registry(allow=()).load("file")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("valt", "Did you mean `vault`?"),
        ("Vault", "Did you mean `vault`?"),
        ("xyzzy", "Installed: acme, aws, azure, file, gcp, kubernetes, postgres, tls, vault"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(asked: str, hint: str) -> None:
    """A typo costs one look."""
    with pytest.raises(RegistryError, match=f"no installed provider is called `{asked}`") as caught:
        Registry().load(asked)
    assert caught.value.fix.startswith(hint)


def test_an_empty_registry_says_so() -> None:
    """Nothing installed is not an empty list after a colon."""
    assert refused([], "vault").fix == "Installed: none."


def test_a_name_offered_twice_is_refused(install: Install) -> None:
    """Nobody can choose which of the two runs, so neither does; both owners are named."""
    install()
    error = refused(install(owner="another-dist"))
    assert error.message == "provider `made` is offered by another-dist and made-dist; neither is imported"
    assert "made_pkg" not in sys.modules


def test_a_distribution_that_is_not_allowed_is_not_imported(install: Install) -> None:
    """The error names the distribution and the line that would allow it."""
    error = refused(install("raise SystemExit('imported')"), allow="nhisync")
    assert error.message.startswith("provider `made` comes from the distribution `made-dist`, which is not allowed")
    assert error.fix == "If you trust it, add it: providers: {allow: [nhisync, made-dist]}"
    assert "made_pkg" not in sys.modules


@pytest.mark.parametrize("written", ["made-dist", "Made-Dist", "made_dist", "MADE.DIST"])
def test_distribution_names_are_compared_as_pip_does(install: Install, written: str) -> None:
    """Case, underscores, dots and hyphens make no difference (PyPA name normalization)."""
    assert Registry(allow=(written,), points=install()).load("made").info.title


@pytest.mark.parametrize("line", ["import no_such_sdk", "from no_such_sdk.client import Session"])
def test_a_missing_sdk_is_told_with_what_brings_it(install: Install, line: str) -> None:
    """The package that is missing is named, and what to install: nhisync has no extra for somebody else's provider."""
    error = refused(install(line))
    assert error.message == f"provider `made` needs the package `{line.split()[1]}`, which is not installed".replace(
        "no_such_sdk.client", "no_such_sdk"
    )
    assert error.fix == "Install it: pip install made-dist"


def test_a_missing_sdk_is_noticed_before_anything_is_contacted() -> None:
    """Adapters may import their SDK late; their declaration says what it is."""
    from dataclasses import replace

    Registry().require_sdk(FakeProvider.info)
    with pytest.raises(RegistryError, match="`fake` needs the package `no_such_sdk`") as caught:
        Registry().require_sdk(replace(FakeProvider.info, sdk_roots=("json", "no_such_sdk")))
    assert caught.value.fix == "Install it: whatever brings `no_such_sdk`"
    for name in ("aws", "vault"):
        info = replace(Registry().load(name).info, sdk_roots=("no_such_sdk",))
        with pytest.raises(RegistryError) as caught:
            Registry().require_sdk(info)
        assert caught.value.fix == f"Install it: pip install 'nhisync[{name}]'"


def test_a_late_missing_sdk_of_somebody_else_names_their_distribution(install: Install) -> None:
    """Also when only the declaration says what is missing."""
    registry = Registry(
        allow=("made-dist",), points=install(f"{HEAD}\nMade.info = replace(Made.info, sdk_roots=('no_such_sdk',))")
    )
    with pytest.raises(RegistryError, match="`made` needs the package `no_such_sdk`") as caught:
        registry.require_sdk(registry.load("made").info)
    assert caught.value.fix == "Install it: pip install made-dist"


def test_a_package_that_is_gone_is_told_apart_from_a_missing_sdk() -> None:
    """A half-uninstalled distribution leaves its entry point behind."""
    point = EntryPoint("made", "no_such_provider.module:Made", GROUP)
    assert refused([point], allow="unknown").message == (
        "provider `made` is registered but `no_such_provider` cannot be found"
    )


def test_an_entry_point_to_nothing_is_refused(install: Install) -> None:
    """The object is named as the entry point names it."""
    assert refused(install("Other = 1")).message == "provider `made`: `made_pkg:Made` does not exist"


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("Made = 1", "is not a class with a ProviderInfo named `info`"),
        ("class Made: pass", "is not a class with a ProviderInfo named `info`"),
        ("class Made: info = {}", "is not a class with a ProviderInfo named `info`"),
        (f"{HEAD}\nMade = Made(None, None)", "is not a class with a ProviderInfo named `info`"),
        (f"{HEAD}\nMade.info = replace(Made.info, spi_version=7)", "was written for SPI 7; this nhisync speaks SPI 1"),
        (f"{HEAD}\nMade.info = replace(Made.info, name='vault')", "leads to a provider that calls itself `vault`"),
        (
            f"{HEAD}\nMade.info = replace(Made.info, capabilities=Made.info.capabilities | {{Capability.PROBE}})",
            "declares the capability `probe`, but its class says otherwise",
        ),
        (
            f"{HEAD}\nMade.info = replace(Made.info, capabilities=Made.info.capabilities - {{Capability.EXAMINE}})",
            "does not declare the capability `examine`, but its class says otherwise",
        ),
    ],
)
def test_what_does_not_fit_the_interface_is_refused(install: Install, code: str, complaint: str) -> None:
    """A provider is checked before it is made, and the error says what does not fit."""
    assert complaint in refused(install(code)).message


@pytest.mark.parametrize(
    "code",
    ["from json import no_such_name", "raise RuntimeError('half installed')", "def broken(:"],
    ids=["SDK too old", "raises", "syntax"],
)
def test_a_provider_that_breaks_while_it_is_imported_is_a_registry_error(install: Install, code: str) -> None:
    """Whatever goes wrong in foreign code is told as that provider's problem, not as a bug of ours."""
    assert "`made`" in refused(install(code)).message


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter has imported after `code`."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


@pytest.mark.parametrize("named", sorted(SDKS))
def test_only_named_providers_are_imported(named: str) -> None:
    """Loading one provider imports no other, no SDK but its own, and no emulator."""
    found = modules_after(f"from nhisync.registry import Registry; Registry().load({named!r})")
    roots = {name.partition(".")[0] for name in found}
    assert {root for root in roots if root.startswith("nhisync_")} == {f"nhisync_{named}"}
    assert roots & ROOTS == SDKS[named]
    assert not [name for name in found if name.startswith(f"nhisync_{named}.emulator")]


@pytest.mark.parametrize("arguments", [["--help"], ["diff", "--help"], ["version"]])
def test_looking_around_imports_no_provider(arguments: list[str]) -> None:
    """Help of any kind runs no code of any provider."""
    found = modules_after(f"from nhisync.cli import main\nmain({arguments!r})")
    roots = {name.partition(".")[0] for name in found}
    assert not roots & ROOTS
    assert not [root for root in roots if root.startswith("nhisync_")]
