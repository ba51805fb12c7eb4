"""What all tests share: Hypothesis judges what code does, never how fast a busy machine is."""

from hypothesis import HealthCheck, settings

settings.register_profile("nhisync", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nhisync")
