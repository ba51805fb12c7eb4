"""One provider's code brings no other provider's SDK along, whichever of its modules a run comes to need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nhisync.registry import Registry

PROVIDERS = sorted(one.name for one in (Path(__file__).parents[2] / "providers").iterdir() if one.is_dir())
SDKS = {name: frozenset(Registry().load(name).info.sdk_roots) for name in PROVIDERS}
SHARED = frozenset({"requests"})
"""What several SDKs stand on, and none of ours alone."""

IMPORT_ALL = """
import importlib, json, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
    if ".emulator" not in module.name:
        importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("name", PROVIDERS)
def test_all_modules_together_import_only_their_own_sdk(name: str) -> None:
    """With every module of an adapter imported, its emulator aside, no root of another one's SDK is there."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, "-c", IMPORT_ALL, f"nhisync_{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, timeout=60)
    found = set(json.loads(done.stdout))
    others = frozenset().union(*SDKS.values()) - SDKS[name] - SHARED
    assert found & others == set()
    assert not {one for one in found if one.startswith("nhisync_")} - {f"nhisync_{name}"}


def test_the_guard_knows_the_sdks() -> None:
    """The roots it looks for are those of the issue's providers."""
    assert {"boto3", "azure", "google", "grpc", "psycopg", "acme", "httpx"} <= frozenset().union(*SDKS.values())
