"""The little DER that `cryptography` does not hand out: the raw bytes of one field (ITU-T X.690 §8)."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Element:
    """One tag-length-value triple.

    Attributes:
        tag: identifier octet (single-byte tags are all that certificates use).
        content: value octets.
        raw: the whole element, header included.
    """

    tag: int
    content: bytes
    raw: bytes


def elements(data: bytes) -> Iterator[Element]:
    """Split `data` into the elements that stand in it side by side.

    Raises:
        ValueError: a cut element, an indefinite or oversized length, a multi-byte tag.
    """
    position = 0
    while position < len(data):
        element = _element(data, position)
        yield element
        position += len(element.raw)


def _element(data: bytes, start: int) -> Element:
    """The element at `start`."""
    if len(data) - start < 2 or data[start] & 0x1F == 0x1F:
        raise ValueError("cut element or multi-byte tag")
    size, body = data[start + 1], start + 2
    if size >= 0x80:
        octets = size & 0x7F
        if not 1 <= octets <= 4:
            raise ValueError("indefinite or oversized length")
        size, body = int.from_bytes(data[body : body + octets], "big"), body + octets
    end = body + size
    if end > len(data):
        raise ValueError("cut element")
    return Element(data[start], data[body:end], data[start:end])


def subject_public_key_info(certificate: bytes) -> bytes:
    """The raw SubjectPublicKeyInfo of a DER certificate, whatever its algorithm (RFC 5280 §4.1).

    Raises:
        ValueError: no certificate.
    """
    outer = next(elements(certificate))
    fields = list(elements(next(elements(outer.content)).content))
    index = 6 if fields and fields[0].tag == 0xA0 else 5
    if len(fields) <= index:
        raise ValueError("no SubjectPublicKeyInfo")
    return fields[index].raw
