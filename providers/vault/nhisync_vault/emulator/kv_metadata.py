"""Limits of custom metadata: 64 keys, 128 bytes a key, 512 bytes a value, printable.

Source: OpenBao ``internal/builtin/logical/kv/path_metadata.go`` (validateCustomMetadata).
"""

from collections.abc import Mapping
from typing import Any

from nhisync_vault.emulator.wire import bad_request, multi

_MAX_KEYS, _MAX_KEY, _MAX_VALUE = 64, 128, 512
_FAILED = "custom_metadata validation failed"


def custom_metadata_of(raw: Any) -> dict[str, str]:
    """The map with its values as strings.

    Raises:
        RefusedError: 400 when it is no map.
    """
    if not isinstance(raw, dict):
        raise bad_request(f"{_FAILED}: not a map")
    return {str(name): _word(value) for name, value in raw.items()}


def check_custom_metadata(custom: Mapping[str, str]) -> None:
    """Enforce the limits; all faults are reported at once.

    Raises:
        RefusedError: 400 with one line per fault.
    """
    if len(custom) > _MAX_KEYS:
        text = f"{_FAILED}: payload must contain at most {_MAX_KEYS} keys, provided {len(custom)}"
        raise bad_request(multi(text))
    errors = [error for name, value in custom.items() for error in _faults(name, value)]
    if errors:
        raise bad_request(multi(*errors))


def _faults(name: str, value: str) -> list[str]:
    faults = []
    size, length = len(name.encode()), len(value.encode())
    if not 0 < size <= _MAX_KEY:
        faults.append(f'{_FAILED}: length of key "{name}" is {size} but must be 0 < len(key) <= {_MAX_KEY}')
    if not 0 < length <= _MAX_VALUE:
        faults.append(
            f'{_FAILED}: length of value for key "{name}" is {length} but must be 0 < len(value) <= {_MAX_VALUE}'
        )
    if not name.isprintable():
        faults.append(f'{_FAILED}: key "{name}" contains unprintable characters')
    if not value.isprintable():
        faults.append(f'{_FAILED}: value for key "{name}" contains unprintable characters')
    return faults


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)
