"""Sweeps of a folder: every kind once, within the prefixes, and no proof from a walk that lost something."""

from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import (
    Coverage,
    CoverageStatus,
    InventoryRequest,
    Item,
    Presence,
)

from .conftest import CANARY, Files


def test_a_sweep_finds_every_kind_once(files: Files) -> None:
    """A walk must find each kind by its ending or link, answer wanted items once, and prove absence."""
    wanted = files.plant("pem", "a/api.pem")
    files.plant("pkcs12", "b/store.p12")
    files.plant("kubernetes-secret", "c/mounted", {"password.json": CANARY})
    files.plant("json", "d/key.json", {"api_key": CANARY})
    files.plant("yaml", "e/key.yml", {"api_key": CANARY})
    files.write("f/readme.txt", b"no")
    kinds = frozenset({"pem", "pkcs12", "kubernetes-secret", "json", "yaml", "tls"})
    request = InventoryRequest(budget=files.budget(), kinds=kinds, wanted=(wanted,))
    seen = list(files.provider().inventory(request))
    names = sorted(str(one.locator) for one in seen if isinstance(one, Item))
    assert names == [
        "files:json/d/key.json",
        "files:kubernetes-secret/c/mounted",
        "files:pem/a/api.pem",
        "files:pkcs12/b/store.p12",
        "files:yaml/e/key.yml",
    ]
    coverage = [one for one in seen if isinstance(one, Coverage)]
    assert {(one.kind, one.status, one.items, one.authoritative) for one in coverage} == {
        (kind, CoverageStatus.COMPLETE, 1, True) for kind in kinds - {"tls"}
    }


def test_a_sweep_keeps_to_its_prefixes(files: Files) -> None:
    """Only names under the wanted prefixes may be read."""
    files.plant("pem", "payments/api.pem")
    files.plant("pem", "other/api.pem")
    request = InventoryRequest(budget=files.budget(), kinds=frozenset({"pem"}), prefixes={"pem": ("payments/",)})
    items = [one for one in files.provider().inventory(request) if isinstance(one, Item)]
    assert [item.locator.name for item in items] == ["payments/api.pem"]


@pytest.mark.parametrize(
    ("prepare", "settings", "message"),
    [
        (lambda files: files.plant("pem", "a/b/c.pem"), {"max_depth": 1}, "the folder a/b is too deep"),
        (
            lambda files: files.plant("pem", "b.pem"),
            {"max_files": 1},
            "more than 1 entries; the rest was not looked at",
        ),
        (lambda files: files.write("a#b.pem", b"x"), {}, "a name holds # or characters that cannot be printed"),
        (lambda files: files.write("a\x1b[2J.pem", b"x"), {}, "a name holds # or characters that cannot be printed"),
    ],
)
def test_a_walk_that_lost_something_proves_nothing(
    files: Files, prepare: Any, settings: dict[str, int], message: str
) -> None:
    """Limits and names that no locator can hold must make the coverage partial, with the reason."""
    files.plant("pem", "a.pem")
    prepare(files)
    request = InventoryRequest(budget=files.budget(), kinds=frozenset({"pem"}))
    (coverage,) = (one for one in files.provider(**settings).inventory(request) if isinstance(one, Coverage))
    assert (coverage.status, coverage.authoritative) == (CoverageStatus.PARTIAL, False)
    assert coverage.error is not None
    assert coverage.error.message == message


def test_a_sweep_does_not_leave_the_root_over_links(files: Files, tmp_path: Path) -> None:
    """A linked folder must not be entered, and a linked file outside must be answered, not read."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.pem").write_text(CANARY)
    (files.root / "folder").symlink_to(tmp_path / "outside")
    (files.root / "file.pem").symlink_to(tmp_path / "outside" / "secret.pem")
    request = InventoryRequest(budget=files.budget(), kinds=frozenset({"pem"}))
    (item,) = (one for one in files.provider().inventory(request) if isinstance(one, Item))
    assert item.error is not None
    assert (item.locator.name, item.error.reason) == ("file.pem", "outside-root")


def test_a_link_loop_is_one_bad_item_of_a_sweep(files: Files) -> None:
    """A link that the system refuses to follow must be answered beside the others, and must not end the run."""
    files.plant("pem", "a.pem")
    (files.root / "loop.pem").symlink_to("loop.pem")
    request = InventoryRequest(budget=files.budget(), kinds=frozenset({"pem"}))
    items = {one.locator.name: one for one in files.provider().inventory(request) if isinstance(one, Item)}
    assert items["a.pem"].presence is Presence.PRESENT
    error = items["loop.pem"].error
    assert error is not None
    assert error.reason == "link-loop"


def test_budget_and_close_end_the_run_honestly(files: Files) -> None:
    """What was not opened must be throttled, never absent."""
    planted = files.plant("pem", "a.pem")
    provider = files.provider()
    provider.close()
    (item,) = (
        one
        for one in provider.inventory(InventoryRequest(budget=files.budget(), wanted=(planted,)))
        if isinstance(one, Item)
    )
    assert item.presence is Presence.THROTTLED
