"""Cloud KMS keys: a small gRPC client of google.cloud.kms.v1, which reads one key.

Google's own client is a package of its own; one call needs none. Read are name, primary version, rotation and its
period (google/cloud/kms/v1/resources.proto: CryptoKey fields 1, 2, 7, 8; CryptoKeyVersion fields 3, 7); protobuf skips
the rest.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2

from nhisync_gcp.hierarchy import caller

SERVICE = "google.cloud.kms.v1.KeyManagementService"
ENABLED = 1
"""CryptoKeyVersionState."""

SOFTWARE, HSM = 1, 2
"""ProtectionLevel; 3 and 4 are outside of Google."""

_INT, _TEXT, _MESSAGE = (
    descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
)
_SHAPES = {
    "CryptoKeyRequest": (("name", 1, _TEXT, ""),),
    "CryptoKeyVersion": (("state", 3, _INT, ""), ("protection_level", 7, _INT, "")),
    "CryptoKey": (
        ("name", 1, _TEXT, ""),
        ("primary", 2, _MESSAGE, ".nhisync.CryptoKeyVersion"),
        ("next_rotation_time", 7, _MESSAGE, ".google.protobuf.Timestamp"),
        ("rotation_period", 8, _MESSAGE, ".google.protobuf.Duration"),
    ),
}


def _messages() -> tuple[Any, Any]:
    """The classes of a request and of a key."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="nhisync/crypto_keys.proto", package="nhisync", syntax="proto3")
    for known in (timestamp_pb2, duration_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
        file.dependency.append(known.DESCRIPTOR.name)
    optional = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    for message, fields in _SHAPES.items():
        made = file.message_type.add(name=message)
        for name, number, kind, of in fields:
            made.field.add(name=name, number=number, type=kind, type_name=of or None, label=optional)
    pool.Add(file)
    request, key = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"nhisync.{name}"))
        for name in ("CryptoKeyRequest", "CryptoKey")
    )
    return request, key


CryptoKeyRequest, CryptoKey = _messages()


class KeyManagementClient:
    """Reads of keys, called like a method of Google's own clients.

    Args:
        transport: the channel, as the other clients take theirs.
    """

    def __init__(self, *, transport: Any) -> None:
        self.get_crypto_key = caller(transport, f"/{SERVICE}/GetCryptoKey", CryptoKeyRequest, CryptoKey)
