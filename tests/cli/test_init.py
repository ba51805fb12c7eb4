"""`nhisync init`: a first configuration that loads, from a person's answers or from options; never over another one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from nhisync.config import load_policies
from nhisync.model import Coverage, Item, Locator
from nhisync.policy import BUILTIN

World = Any
MakeItem = Callable[..., Item]
MakeComplete = Callable[..., Coverage]
Golden = Callable[[str, str], None]


def test_init_asks_nothing_of_a_pipe(world: World, golden: Golden) -> None:
    """In a pipe defaults are taken; the file loads, every place to edit says so, and policies come with it."""
    argv = ("--primary", "fake@west", "--backup", "fake@north", "--app", "shop", "--tier", "high", "--owner", "me")
    ended = world("init", "-c", "new/nhisync.yaml", *argv)
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "new/nhisync.yaml",
        *(f"new/policies/{tier}.yaml" for tier in ("critical", "high", "standard")),
    ]
    assert ended.err == "Next: replace CHANGE-ME in new/nhisync.yaml, then nhisync doctor\n"
    golden("init.yaml", (world.folder / "new" / "nhisync.yaml").read_text())
    golden("init-policy.yaml", (world.folder / "new" / "policies" / "critical.yaml").read_text())


def test_init_policies_change_nothing(world: World) -> None:
    """The written policy files hold exactly the built-in values."""
    world("init", "-c", "new/nhisync.yaml", "--primary", "fake", "--backup", "fake")
    found = load_policies(Path("new/policies"))
    assert found.problems == ()
    for name, tier in BUILTIN.items():
        for section in ("evaluate", "evidence", "lockstep", "rotation", "expiry", "chain", "failback", "damping"):
            assert getattr(found.tiers[name], section) == getattr(tier, section)
        assert found.tiers[name].severities == tier.severities


def test_init_asks_a_person(world: World) -> None:
    """On a terminal the answers of a person are taken, and what the provider requires is asked for."""
    answers = "fake@here\nfake@there\nscript-p\nscript-b\nshop\nstandard\nme\n"
    ended = world("init", "-c", "new.yaml", terminal=True, stdin=answers)
    assert ended.code == 0
    text = (world.folder / "new.yaml").read_text()
    for line in ("region: here", "region: there", "script: script-p", "script: script-b", "  shop:", "owner: me"):
        assert line in text
    assert "Next: nhisync doctor" in ended.err


def test_init_never_overwrites(world: World) -> None:
    """An existing configuration ends it with 2; existing policies are kept and said."""
    before = (world.folder / "nhisync.yaml").read_text()
    ended = world("init", "--no-input")
    assert ended.code == 2
    assert "is not overwritten" in ended.err
    assert (world.folder / "nhisync.yaml").read_text() == before
    (world.folder / "policies").mkdir()
    (world.folder / "policies" / "high.yaml").write_text("mine")
    ended = world("init", "-c", "other.yaml", "--primary", "fake", "--backup", "fake")
    assert "policies/high.yaml was there and is kept" in ended.err
    assert (world.folder / "policies" / "high.yaml").read_text() == "mine"


def test_init_discovers(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """With all settings given, --discover contacts both paths and adds the suggested pairs, which then are judged."""
    for side in "pb":
        found = replace(make_item("x"), locator=Locator("fake", "kv", f"shop/stripe-key-{side}"))
        world.script(side, found, replace(make_complete(1), source="fake"))
    argv = ["--primary", "fake@w", "--backup", "fake@n", "--app", "shop", "--discover"]
    argv += ["--set", f"primary.script={world.name}-p", "--set", f"backup.script={world.name}-b"]
    ended = world("init", "-c", "new.yaml", *argv)
    assert ended.code == 0, ended.err
    assert "1 pair added to new.yaml" in ended.err
    assert (
        'primary: "fake:kv/shop/stripe-key-p", backup: "fake:kv/shop/stripe-key-b"'
        in (world.folder / "new.yaml").read_text()
    )


@pytest.mark.parametrize("setting", ["x", "primary=1", "third.key=1", "primary..a=1", "primary.=1"])
def test_init_refuses_odd_settings(world: World, setting: str) -> None:
    """--set names path, key and value; anything else is a usage error and writes nothing."""
    ended = world("init", "-c", "new.yaml", "--set", setting)
    assert ended.code == 2
    assert not (world.folder / "new.yaml").exists()


def test_init_with_an_unknown_provider_writes_nothing(world: World) -> None:
    """A provider that is not installed is named before any file is written."""
    ended = world("init", "-c", "new.yaml", "--primary", "fakee", "--backup", "fake")
    assert ended.code == 2
    assert "Did you mean `fake`?" in ended.err
    assert not (world.folder / "new.yaml").exists()


def test_init_on_a_full_disk_leaves_no_half_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file would be taken for the user's own by the next run; the fix is space, not another folder."""
    opened = Path.open

    def full(path: Path, mode: str = "r", **options: Any) -> Any:
        if "x" not in mode:
            return opened(path, mode, **options)
        opened(path, mode, **options).close()
        return opened(Path("/dev/full"), "w", **options)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "open", full)
        ended = world("init", "-c", "new/nhisync.yaml", "--primary", "fake", "--backup", "fake")
    assert ended.code == 2
    assert "No space left on device\n  Free space on that disk" in ended.err
    assert [path for path in (world.folder / "new").rglob("*") if path.is_file()] == []
    assert world("init", "-c", "new/nhisync.yaml", "--primary", "fake", "--backup", "fake").code == 0


def test_init_begins_with_what_most_people_have(run: Callable[..., Any], tmp_path: Path) -> None:
    """Without an answer the paths are a Vault and an AWS account, as in the README."""
    ended = run("init", "--no-input")
    assert ended.code == 0
    paths = YAML(typ="safe").load((tmp_path / "nhisync.yaml").read_text(encoding="utf-8"))["paths"]
    assert [list(path["sources"]) for path in paths.values()] == [["vault"], ["aws"]]


@pytest.mark.parametrize("base", ["", "web_identity"])
def test_a_role_is_written_with_whoever_assumes_it(run: Callable[..., Any], tmp_path: Path, base: str) -> None:
    """`assume_role` needs a base; it is written with its own places to fill, by the method asked for or the first."""
    argv = ["init", "-c", "new.yaml", "--no-input", "--primary", "vault@west", "--backup", "aws@north"]
    argv += ["--set", "backup.auth.method=assume_role"]
    argv += ["--set", f"backup.auth.base.method={base}"] if base else []
    assert run(*argv).code == 0
    written = YAML(typ="safe").load((tmp_path / "new.yaml").read_text())
    auth = written["paths"]["backup"]["sources"]["aws"]["auth"]
    wanted = {"web_identity": {"method", "token_file", "role_arn"}, "": {"method", "file"}}[base]
    assert (auth["method"], auth["base"]["method"]) == ("assume_role", base or "keys_file")
    assert set(auth["base"]) == wanted
    missing = run("doctor", "-c", "new.yaml")
    assert missing.code == 2
