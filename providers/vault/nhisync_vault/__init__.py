"""The vault provider."""
