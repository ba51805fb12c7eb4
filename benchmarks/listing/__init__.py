"""One mount with a million entries, listed through the vault adapter: memory, time, and what is said about it."""
