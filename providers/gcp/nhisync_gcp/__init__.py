"""The Google Cloud provider."""
