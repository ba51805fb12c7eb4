"""The file provider."""
