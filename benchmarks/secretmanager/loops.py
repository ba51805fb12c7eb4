"""What people write by hand with Google's SDK: ``python -m benchmarks.secretmanager.loops serial|pool DOCUMENT``.

List the secrets, list the versions of each, take the newest enabled one. serial = one call after the other; pool = the
same calls in 16 threads. The question: secrets whose value is older than 90 days; the answer is one line of JSON.
"""

import json
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google.auth.transport.grpc
import google.auth.transport.requests
import grpc
import requests
from google.cloud import secretmanager_v1
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from google.oauth2 import service_account

LIMIT = datetime.now(UTC) - timedelta(days=90)
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


def connect(document: dict[str, Any]) -> secretmanager_v1.SecretManagerServiceClient:
    """The SDK's client with the SDK's own credentials on the channel."""
    session = requests.Session()
    session.trust_env = False  # REQUESTS_CA_BUNDLE would go before the authority named here
    session.verify = document["ca_file"]
    made: Any = service_account.Credentials
    secure: Any = google.auth.transport.grpc.secure_authorized_channel
    channel = secure(
        made.from_service_account_file(document["auth"]["file"], scopes=SCOPES),
        google.auth.transport.requests.Request(session=session),
        document["endpoints"]["secretmanager"].removeprefix("https://"),
        ssl_credentials=grpc.ssl_channel_credentials(Path(document["ca_file"]).read_bytes()),
    )
    return secretmanager_v1.SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))


def main(mode: str, file: str) -> None:
    """Answer the question."""
    document = json.loads(Path(file).read_text(encoding="utf-8"))
    client = connect(document)
    enabled = secretmanager_v1.SecretVersion.State.ENABLED

    def newest(secret: secretmanager_v1.Secret) -> datetime:
        made = [v.create_time for v in client.list_secret_versions(parent=secret.name) if v.state == enabled]
        return max(made)

    each: Callable[..., Iterable[datetime]] = ThreadPoolExecutor(16).map if mode == "pool" else map
    secrets = list(client.list_secrets(parent=f"projects/{document['project']}"))
    stale = sum(made < LIMIT for made in each(newest, secrets))
    print(json.dumps({"secrets": len(secrets), "stale": stale}))


if __name__ == "__main__":
    main(*sys.argv[1:])
