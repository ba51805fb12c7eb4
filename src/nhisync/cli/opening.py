"""From the command line's options to a session: configuration, policies, clock, timeout."""

from pathlib import Path

from nhisync.app.session import Session
from nhisync.cli.invocation import Invocation


def open_session(invocation: Invocation) -> Session:
    """Load the configuration that the invocation names; nothing is contacted.

    Raises:
        ConfigurationError: with all problems at once.
        RegistryError: a named provider is missing, not allowed or broken.
    """
    options = invocation.options
    return Session.open(
        invocation.config,
        policies=Path(options.policies) if options.policies else None,
        registry=invocation.registry,
        clock=invocation.clock,
        randomness=invocation.randomness,
        timeout=options.timeout.total_seconds() if options.timeout else None,
    )
