"""Inventory of a Key Vault with the versions of every secret, beside a plain SDK loop."""
