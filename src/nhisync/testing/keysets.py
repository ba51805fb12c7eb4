"""Key sets for the embedded worlds: keys by label, published as an issuer publishes them."""

from typing import Any

from joserfc.jwk import ECKey


class KeySets:
    """Makes key sets out of labels; equal labels are equal keys, for as long as this object lives."""

    def __init__(self) -> None:
        self._keys: dict[str, ECKey] = {}

    def key(self, label: str) -> ECKey:
        """The private key of this label, made on first use."""
        if label not in self._keys:
            self._keys[label] = ECKey.generate_key("P-256")
        return self._keys[label]

    def document(self, *keys: str, private: bool = False) -> dict[str, Any]:
        """A key set.

        Args:
            keys: ``kid`` or ``kid=label``; without a label the kid is the label.
            private: publish private members too, as nobody should.
        """
        return {"keys": [self._entry(*key.partition("="), private=private) for key in keys]}

    def _entry(self, kid: str, _: str, label: str, *, private: bool) -> dict[str, Any]:
        members = self.key(label or kid).as_dict(private=private)
        return {**members, "kid": kid, "use": "sig", "alg": "ES256"}
