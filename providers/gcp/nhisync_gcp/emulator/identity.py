"""How nhisync logs in to a source: credential files of every kind that the adapter knows."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from nhisync_gcp.emulator.accounts import Account
from nhisync_gcp.emulator.cloud import Pool
from nhisync_gcp.emulator.iam_keys import key_document
from nhisync_gcp.emulator.source import Source
from nhisync_gcp.emulator.tokens import sign

_SUBJECT = "system:serviceaccount:nhisync:nhisync"
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_YEAR = timedelta(days=365)


def document(source: Source, directory: Path) -> dict[str, Any]:
    """The ``auth`` part of a source's configuration.

    Raises:
        ValueError: a way to log in that the emulator does not serve.
    """
    ways = {
        "service_account_key": _by_key,
        "workload_identity": _by_federation,
        "metadata_server": _by_metadata,
        "access_token_file": _by_token,
    }
    if source.options.auth not in ways:
        raise ValueError(f"unknown auth {source.options.auth!r}; known: {', '.join(sorted(ways))}")
    return ways[source.options.auth](source, directory)


def key_file(source: Source, account: Account, directory: Path) -> Path:
    """A new key of an account, as the file that IAM hands out once."""
    with source.cloud.lock:
        key = source.cloud.accounts.create_key(account, source.cloud.clock.now())
    file = directory / f"{source.name}-{account.email.partition('@')[0]}.json"
    return _secret(file, json.dumps(key_document(account, key, source.node.token_uri)))


def _by_key(source: Source, directory: Path) -> dict[str, Any]:
    return {"method": "service_account_key", "file": str(key_file(source, source.identity, directory))}


def _by_federation(source: Source, directory: Path) -> dict[str, Any]:
    """A foreign issuer's token in a file, exchanged at the STS for one of the service account."""
    cloud, now = source.cloud, source.cloud.wall.now()
    number = cloud.project(source.project).number
    pool = f"projects/{number}/locations/global/workloadIdentityPools/{source.name}"
    audience = f"//iam.googleapis.com/{pool}/providers/cluster"
    principal = f"principal://iam.googleapis.com/{pool}"
    with cloud.lock:
        cloud.pools[audience] = Pool(principal, cloud.accounts.draw())
        member = f"{principal}/subject/{_SUBJECT}"
        cloud.access.bind(source.identity.name, "roles/iam.workloadIdentityUser", member, cloud.clock.now())
    claims: dict[str, Any] = {"iss": "https://cluster.example", "sub": _SUBJECT, "aud": audience}
    claims |= {"iat": int(now.timestamp()), "exp": int((now + _YEAR).timestamp())}
    token = _secret(directory / f"{source.name}-subject", sign(cloud.pools[audience].key, "cluster-1", claims))
    origin = source.listeners["token"].address
    email = source.identity.email
    config = {
        "type": "external_account",
        "audience": audience,
        "subject_token_type": _JWT,
        "token_url": f"{origin}/v1/token",
        "service_account_impersonation_url": f"{origin}/v1/projects/-/serviceAccounts/{email}:generateAccessToken",
        "credential_source": {"file": str(token)},
        "universe_domain": "googleapis.com",
    }
    file = directory / f"{source.name}-external-account.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return {"method": "workload_identity", "file": str(file)}


def _by_metadata(source: Source, _directory: Path) -> dict[str, Any]:
    return {"method": "metadata_server", "endpoint": source.listeners["metadata"].address}


def _by_token(source: Source, directory: Path) -> dict[str, Any]:
    with source.cloud.lock:
        token = source.cloud.issue_token(source.identity.member)
    return {"method": "access_token_file", "file": str(_secret(directory / f"{source.name}-token", token))}


def _secret(file: Path, text: str) -> Path:
    """Write a credential file that only its owner can read."""
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return file
