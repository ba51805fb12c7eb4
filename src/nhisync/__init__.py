"""nhisync: secrets and non-human-identity parity between a primary and a backup path.

Observe both paths, decide purely, act through each side's own lifecycle, publish a permission that expires.
"""

__version__ = "0.1.0"
