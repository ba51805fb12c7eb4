"""The file world, looked at with nothing but the file system and the standard library."""

import json
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from nhisync.testing.world import Seed
from nhisync_file.emulator import FileWorld

from .conftest import CANARY, Files


def test_a_mounted_secret_lies_as_the_kubelet_leaves_it(files: Files) -> None:
    """One dated folder, a relative ``..data`` link to it, one relative link per key; the old folder is gone."""
    files.plant("kubernetes-secret", "m", {"a": "1", "b": "2"}, rotated=timedelta(days=2))
    files.plant("kubernetes-secret", "m", {"a": "3", "b": "4"}, rotated=timedelta(0))
    folder = files.root / "m"
    assert sorted(os.listdir(folder)) == ["..2026_11_23_03_12_09.000000000", "..data", "a", "b"]
    assert os.readlink(folder / "..data") == "..2026_11_23_03_12_09.000000000"
    assert os.readlink(folder / "a") == "..data/a"
    assert (folder / "a").read_text() == "3"


def test_a_pem_file_holds_chain_and_key_in_order(files: Files) -> None:
    """Leaf, then its issuer, then the key."""
    files.plant("pem", "api.pem")
    text = (files.root / "api.pem").read_bytes()
    leaf, issuer = x509.load_pem_x509_certificates(text)
    leaf.verify_directly_issued_by(issuer)
    assert text.rstrip().endswith(b"-----END PRIVATE KEY-----")


def test_key_files_have_the_layout_of_their_provider(files: Files) -> None:
    """The shapes must be those that the vendors' tools write."""
    files.plant("json", "g.json", {"private_key": CANARY}, shape="google")
    files.plant("json", "a.json", {"AccessKeyId": "AKIAEXAMPLE0EXAMPLE0", "SecretAccessKey": CANARY}, shape="aws")
    google, amazon = (json.loads((files.root / name).read_text()) for name in ("g.json", "a.json"))
    assert google["type"] == "service_account"
    assert set(amazon["AccessKey"]) == {"Status", "CreateDate", "AccessKeyId", "SecretAccessKey"}


def test_files_are_dated_and_closed_by_default(files: Files) -> None:
    """Dates come from the injected clock, modes from the seed."""
    files.plant("json", "k.json", {"api_key": CANARY}, rotated=timedelta(days=3))
    shape = (files.root / "k.json").stat()
    assert shape.st_mtime == (files.clock.now() - timedelta(days=3)).timestamp()
    assert stat.S_IMODE(shape.st_mode) == 0o600


@pytest.mark.parametrize("fault", ["absent", "unreadable", "exposed", "outside", "oversized", "garbled"])
def test_every_fault_can_be_taken_back(files: Files, fault: str) -> None:
    """After ``off=True`` the very same file must stand there again."""
    files.plant("json", "k.json", {"api_key": CANARY})
    before = (files.root / "k.json").read_bytes()
    files.world.fault("primary", "files", fault, item="k.json")
    files.world.fault("primary", "files", fault, item="k.json", off=True)
    assert (files.root / "k.json").read_bytes() == before
    assert not (files.root / "k.json").is_symlink()


def test_a_missing_root_comes_back(files: Files) -> None:
    """The whole root must vanish and return."""
    files.plant("json", "k.json", {"api_key": CANARY})
    files.world.fault("primary", "files", "root_missing")
    assert not files.root.exists()
    files.world.fault("primary", "files", "root_missing", off=True)
    assert (files.root / "k.json").exists()


def test_unknown_words_are_errors(files: Files, world: FileWorld) -> None:
    """Mistyped kinds, options and faults must fail loudly."""
    with pytest.raises(KeyError):
        world.seed("primary", "files", Seed(kind="pme", name="x"))
    with pytest.raises(TypeError):
        files.plant("pem", "x", chian="complete")
    with pytest.raises(TypeError, match="no option authority"):
        world.add_source("backup", "files", region="r", options={"authority": "x"})
    with pytest.raises(ValueError, match="no such fault"):
        world.fault("primary", "files", "denied", item="x")


def test_the_document_names_files_and_holds_no_password(files: Files) -> None:
    """Credentials are referenced by file, never inlined."""
    assert set(files.document) == {"provider", "region", "root", "trust_file", "intermediates_file", "password_file"}
    password = Path(files.document["password_file"])
    assert password.read_text().strip() not in repr(files.document)
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
