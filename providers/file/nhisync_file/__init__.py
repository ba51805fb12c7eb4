"""Files as identities: certificates, key files and mounted Secrets, by metadata."""

from nhisync_file.provider import FileProvider

__all__ = ["FileProvider"]
