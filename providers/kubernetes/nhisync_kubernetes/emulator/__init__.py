"""An in-process Kubernetes API server: real HTTPS, real RBAC, real X.509; for tests and `nhisync demo`."""

from nhisync_kubernetes.emulator.world import KubernetesWorld

__all__ = ["KubernetesWorld"]
