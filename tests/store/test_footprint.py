"""What streams a million rows carries nothing that only documents need."""

import subprocess
import sys

import pytest


@pytest.mark.requirement("R4b")
def test_store_and_engine_run_without_documents() -> None:
    """Pydantic and what it brings cost eight megabytes: they belong to the edges, not to the comparison."""
    code = (
        "import sys, nhisync.store, nhisync.parity.engine, nhisync.parity.rules, nhisync.policy;"
        "print(sorted({'pydantic', 'typer', 'rich', 'httpx', 'boto3'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
