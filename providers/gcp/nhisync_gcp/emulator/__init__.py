"""A Google Cloud that fits into a test: real gRPC over TLS, tokens over HTTPS, state in this process."""

from nhisync_gcp.emulator.world import GcpWorld

__all__ = ["GcpWorld"]
