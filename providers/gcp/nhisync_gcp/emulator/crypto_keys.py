"""Cloud KMS, version 1, over gRPC: one read of keys that secrets name.

Keys are in software, replaced every 90 days and enabled, unless `Cloud.crypto_keys` says otherwise of one.
"""

import re
from typing import Any

from nhisync_gcp.crypto_keys import ENABLED, SERVICE, SOFTWARE, CryptoKey, CryptoKeyRequest
from nhisync_gcp.emulator.refusals import invalid
from nhisync_gcp.emulator.rpc import Call, Rpc

_NAME = re.compile(r"(projects/[^/]+)/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+\Z")
_PERIOD = 90 * 86_400


def get_crypto_key(call: Call) -> Any:
    """GetCryptoKey."""
    name = call.request.name
    match = _NAME.match(name)
    if match is None:
        raise invalid(f"Resource name [{name}] does not match the pattern of crypto keys.")
    call.require("cloudkms.cryptoKeys.get", name, match[1])
    facts = call.cloud.crypto_keys.get(name, {})
    key = CryptoKey(name=name)
    key.primary.state = facts.get("state", ENABLED)
    key.primary.protection_level = facts.get("level", SOFTWARE)
    if facts.get("rotates", True):
        key.rotation_period.seconds = _PERIOD
        key.next_rotation_time.FromDatetime(call.now)
    return key


METHODS = (Rpc(service=SERVICE, method="GetCryptoKey", request=CryptoKeyRequest, handler=get_crypto_key),)
