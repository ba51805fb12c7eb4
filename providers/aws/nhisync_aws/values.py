"""Reading values for the opt-in comparison; runs only inside the short-lived comparing process.

GetSecretValue by item is the default: BatchGetSecretValue needs a grant of its own on every secret that it may meet.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nhisync.spi import Budget, ErrorFact, ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync.spi.fanout import spread
from nhisync.spi.oddities import one_item
from nhisync_aws.connection import Connection
from nhisync_aws.errors import Called, malformed, translate_code

Read = FieldValue | tuple[Locator, ErrorFact]
_BATCH = 20
_PLAIN = "value"


def values(
    connection: Connection, wanted: Sequence[Locator], budget: Budget, *, batch: bool, workers: int
) -> Iterator[Read]:
    """Every field of every wanted item, or why it cannot be read; kinds without readable values say so."""
    items = list(dict.fromkeys(locator.item for locator in wanted))
    secrets = [item for item in items if item.kind == "secret"]
    others = [item for item in items if item.kind != "secret"]
    if batch:
        chunks = [tuple(secrets[start : start + _BATCH]) for start in range(0, len(secrets), _BATCH)]
        yield from spread(chunks, lambda chunk: _batch(connection, chunk, budget), workers)
    else:
        others = items
    yield from spread(others, lambda item: _guarded(connection, item, budget), workers)


def previous(connection: Connection, item: Locator, budget: Budget) -> Iterator[FieldValue]:
    """Every field of what a secret held before its last rotation.

    Raises:
        ProviderError: NOT_FOUND, no version holds AWSPREVIOUS; UNSUPPORTED for what has no such label.
    """
    if item.kind != "secret":
        raise ProviderError(ErrorKind.UNSUPPORTED, f"AWS labels no previous value of the kind {item.kind}")
    stage = {"SecretId": item.name, "VersionStage": "AWSPREVIOUS"}
    yield from _fields(item, connection.call("secretsmanager", "GetSecretValue", budget, **stage))


def _guarded(connection: Connection, item: Locator, budget: Budget) -> Iterator[Read]:
    try:
        yield from one_item(lambda: list(_single(connection, item, budget)), "the value of this item")
    except ProviderError as error:
        yield item, error.fact


def _single(connection: Connection, item: Locator, budget: Budget) -> Iterator[Read]:
    if item.kind == "secret":
        answer = connection.call("secretsmanager", "GetSecretValue", budget, SecretId=item.name)
        yield from _fields(item, answer)
    elif item.kind == "parameter":
        name = f"/{item.name}" if "/" in item.name and not item.name.startswith("/") else item.name
        parameter = connection.require("ssm", "GetParameter", budget, "Parameter", Name=name, WithDecryption=True)
        yield from _split(item, str(parameter.get("Value") or "").encode())
    else:
        raise ProviderError(ErrorKind.UNSUPPORTED, f"AWS gives out no value for the kind {item.kind}")


def _batch(connection: Connection, chunk: Sequence[Locator], budget: Budget) -> Iterator[Read]:
    asked = {item.name: item for item in chunk}
    try:
        answer = connection.call("secretsmanager", "BatchGetSecretValue", budget, SecretIdList=list(asked))
        found = answer.get("SecretValues")
        if not isinstance(found, list):
            raise malformed(Called("secretsmanager:BatchGetSecretValue", 200), "the answer holds no SecretValues")
    except ProviderError as error:
        yield from ((item, error.fact) for item in chunk)
        return
    for entry in _entries(found):
        item = asked.pop(str(entry.get("Name")), None) or asked.pop(str(entry.get("ARN")), None)
        if item is not None:
            yield from _guarded_fields(item, entry)
    for entry in _entries(answer.get("Errors")):
        item = asked.pop(str(entry.get("SecretId")), None)
        if item is not None:
            called = Called("secretsmanager:GetSecretValue", 200)
            failure = translate_code(str(entry.get("ErrorCode") or ""), str(entry.get("Message") or ""), called)
            yield item, failure.fact
    for item in asked.values():
        yield item, ErrorFact(kind=ErrorKind.MALFORMED.value, message="the batch answer does not mention this item")


def _entries(listed: Any) -> list[Mapping[str, Any]]:
    """The entries of a list of an answer; an odd one is left out, so that its item counts as not mentioned."""
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _guarded_fields(item: Locator, answer: Mapping[str, Any]) -> Iterator[Read]:
    try:
        yield from one_item(lambda: list(_fields(item, answer)), "the value of this item")
    except ProviderError as error:
        yield item, error.fact


def _fields(item: Locator, answer: Mapping[str, Any]) -> Iterator[FieldValue]:
    text, binary = answer.get("SecretString"), answer.get("SecretBinary")
    if isinstance(text, str):
        return _split(item, text.encode("utf-8", "surrogatepass"))
    if isinstance(binary, bytes):
        return _split(item, binary)
    raise malformed(Called("secretsmanager:GetSecretValue", 200), "the answer holds no value")


def _split(item: Locator, raw: bytes) -> Iterator[FieldValue]:
    """A JSON object's members each, so that a shared password is found whatever stands around it; else the whole."""
    try:
        members = json.loads(raw)
    except ValueError:
        members = None
    if not isinstance(members, dict) or not members:
        yield FieldValue(item, _PLAIN, SecretBytes(raw))
        return
    for name, member in members.items():
        text = member if isinstance(member, str) else json.dumps(member, sort_keys=True, separators=(",", ":"))
        yield FieldValue(item, str(name), SecretBytes(text.encode("utf-8", "surrogatepass")))
