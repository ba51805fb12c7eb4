"""What people write by hand: ``python -m benchmarks.keyvault.sdk_loop serial|pool DOCUMENT``; one JSON line.

List the secrets, list the versions of each, take the newest enabled one: which were not rotated for 90 days? serial =
one call after the other; pool = the same calls, 16 threads.
"""

import json
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

NOW = datetime.now(UTC)


def main(mode: str, document: dict[str, Any]) -> None:
    """Answer the question."""
    auth, trust = document["auth"], document["ca_file"]
    credential = ClientSecretCredential(
        auth["tenant"],
        auth["client_id"],
        Path(auth["secret_file"]).read_text(encoding="ascii"),
        authority=document["authority"],
        disable_instance_discovery=True,
        connection_verify=trust,
    )
    client = SecretClient(document["vault"], credential, connection_verify=trust, verify_challenge_resource=False)

    def rotated(name: str) -> datetime:
        versions = [one for one in client.list_properties_of_secret_versions(name) if one.enabled]
        return max(one.created_on for one in versions)

    names = [one.name for one in client.list_properties_of_secrets()]
    pool = ThreadPoolExecutor(16)
    each: Callable[..., Iterable[datetime]] = pool.map if mode == "pool" else map
    stale = sum(NOW - instant > timedelta(days=90) for instant in each(rotated, names))
    print(json.dumps({"secrets": len(names), "stale": stale}))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
