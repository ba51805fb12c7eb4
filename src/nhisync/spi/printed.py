"""What `nhisync permissions` prints of one source."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionDocument:
    """A least-privilege document for this configuration.

    Attributes:
        title: what it grants, to whom.
        language: ``json``, ``hcl``, ``yaml``, ``sql`` or ``sh``.
        text: the document, ready to apply.
        actions: the single permissions it holds, in the provider's own notation.
    """

    title: str
    language: str
    text: str
    actions: tuple[str, ...]
