"""How the schema came to be, one revision per file; run from code by `nhisync.store.upgrading`."""
