"""Configuration and policy documents: read with places, checked all at once, handed on as frozen values."""

from nhisync.config.idle import IDLE_KEYS, IDLE_POLICY_KEYS, Idle, idle_keys
from nhisync.config.load import load
from nhisync.config.policies import Policies, effective_values, load_policies, load_policy
from nhisync.config.problems import render_problems
from nhisync.config.settings import Declared, Offered, source_settings
from nhisync.config.values import (
    AppDetails,
    Attester,
    Bind,
    Configuration,
    Consumer,
    Health,
    Listener,
    Operator,
    PathConfig,
    Probe,
    Publish,
    Rotate,
    Serving,
    Signing,
    SourceConfig,
    Tls,
)

__all__ = [
    "IDLE_KEYS",
    "IDLE_POLICY_KEYS",
    "AppDetails",
    "Attester",
    "Bind",
    "Configuration",
    "Consumer",
    "Declared",
    "Health",
    "Idle",
    "Listener",
    "Offered",
    "Operator",
    "PathConfig",
    "Policies",
    "Probe",
    "Publish",
    "Rotate",
    "Serving",
    "Signing",
    "SourceConfig",
    "Tls",
    "effective_values",
    "idle_keys",
    "load",
    "load_policies",
    "load_policy",
    "render_problems",
    "source_settings",
]
