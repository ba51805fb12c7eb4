"""What stands above a project: a small gRPC client of Resource Manager (google.cloud.resourcemanager.v3).

Google's own client is a package of its own; five calls need none. Of a project and a folder only name and parent are
read (google/cloud/resourcemanager/v3/projects.proto and folders.proto, fields 1 and 2); protobuf skips the rest.
Policies are the messages of google.iam.v1, which come with the other clients.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.api_core.grpc_helpers import wrap_errors
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "google.cloud.resourcemanager.v3"

Metadata = Sequence[tuple[str, str]]


def _messages() -> tuple[Any, Any]:
    """The classes of a request for a place, and of a place."""
    file = descriptor_pb2.FileDescriptorProto(name="nhisync/hierarchy.proto", package="nhisync", syntax="proto3")
    text = descriptor_pb2.FieldDescriptorProto
    for message, fields in (("PlaceRequest", ("name",)), ("Place", ("name", "parent"))):
        made = file.message_type.add(name=message)
        for number, name in enumerate(fields, start=1):
            made.field.add(name=name, number=number, type=text.TYPE_STRING, label=text.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = ("nhisync.PlaceRequest", "nhisync.Place")
    request, place = (message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names)
    return request, place


PlaceRequest, Place = _messages()


class ResourceManagerClient:
    """Reads of projects, folders and organisations, each called like a method of Google's own clients.

    Args:
        transport: the channel, as the other clients take theirs.
    """

    def __init__(self, *, transport: Any) -> None:
        read = (PlaceRequest, Place)
        policy = (iam_policy_pb2.GetIamPolicyRequest, policy_pb2.Policy)
        where = f"/{PACKAGE}."
        self.get_project = caller(transport, f"{where}Projects/GetProject", *read)
        self.get_folder = caller(transport, f"{where}Folders/GetFolder", *read)
        self.get_project_policy = caller(transport, f"{where}Projects/GetIamPolicy", *policy)
        self.get_folder_policy = caller(transport, f"{where}Folders/GetIamPolicy", *policy)
        self.get_organization_policy = caller(transport, f"{where}Organizations/GetIamPolicy", *policy)


def channel_of(*, channel: Any) -> Any:
    """The transport of a client that needs no more than its channel."""
    return channel


def caller(channel: Any, name: str, request: Any, answer: Any) -> Callable[..., Any]:
    """A call of the gRPC method `name` (``/package.Service/Method``), as Google's clients offer theirs."""
    wire: Any = wrap_errors  # untyped in google-api-core
    call = wire(channel.unary_unary(name, request.SerializeToString, answer.FromString))

    def method(*, request: Mapping[str, Any], timeout: float, metadata: Metadata = (), **_: Any) -> Any:
        return call(kind(**request), timeout=timeout, metadata=metadata)

    kind = request
    return method
