"""What people write by hand: ``python -m benchmarks.inventory.boto_loops serial|pool``; answers as one JSON line.

serial = list, then describe each; list the keys of each user; one call after the other. pool = the same calls, 16
threads. The questions: secrets not rotated for 90 days, keys older than 90 days, certificates that end within 30.
"""

import json
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config

NOW = datetime.now(UTC)


def pages(client: Any, operation: str, key: str) -> list[Any]:
    """All items of a paginated listing."""
    return [item for page in client.get_paginator(operation).paginate() for item in page[key]]


def older(instant: datetime, days: int = 90) -> bool:
    """Whether `instant` is more than `days` ago."""
    return NOW - instant > timedelta(days=days)


def main(mode: str) -> None:
    """Answer the three questions."""
    config = Config(max_pool_connections=32)
    session = boto3.Session(region_name="us-east-1")
    secrets, iam, acm = (session.client(name, config=config) for name in ("secretsmanager", "iam", "acm"))
    pool = ThreadPoolExecutor(16)
    each: Callable[..., Iterable[Any]] = pool.map if mode == "pool" else map
    described = each(lambda s: secrets.describe_secret(SecretId=s["ARN"]), pages(secrets, "list_secrets", "SecretList"))
    stale = sum(older(s.get("LastRotatedDate") or s["CreatedDate"]) for s in described)
    users = pages(iam, "list_users", "Users")
    listed = each(lambda u: iam.list_access_keys(UserName=u["UserName"])["AccessKeyMetadata"], users)
    old = sum(older(key["CreateDate"]) for keys in listed for key in keys)
    summaries = pages(acm, "list_certificates", "CertificateSummaryList")
    found = each(lambda c: acm.describe_certificate(CertificateArn=c["CertificateArn"])["Certificate"], summaries)
    expiring = sum(c["NotAfter"] - NOW < timedelta(days=30) for c in found)
    print(json.dumps({"stale_secrets": stale, "old_keys": old, "expiring_certificates": expiring}))


if __name__ == "__main__":
    main(sys.argv[1])
