"""An in-process Vault/OpenBao: real HTTP(S), real X.509, real ACL; for tests and `nhisync demo`."""

from nhisync_vault.emulator.world import VaultWorld

__all__ = ["VaultWorld"]
