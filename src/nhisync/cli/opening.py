"""From the command line's options to a session: configuration, policies, clock, timeout."""

from pathlib import Path

from nhisync.app.session import Session
from nhisync.cli.invocation import Invocation
from nhisync.config import Configuration, idle_keys


def open_session(invocation: Invocation) -> Session:
    """Load the configuration that the invocation names; nothing is contacted.

    Raises:
        ConfigurationError: with all problems at once; a provider that is missing, not allowed or broken is one.
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


def tell_idle_keys(invocation: Invocation, configuration: Configuration) -> None:
    """Say which keys of the file have no effect yet, so that nobody waits for a file that is never written."""
    for idle in idle_keys(configuration):
        invocation.hint(f"{invocation.config}:{idle.line}  {idle.key} is checked, but this version does not act on it")


def tell_certificate(invocation: Invocation, configuration: Configuration) -> None:
    """Say when a listener's own certificate is over or about to be: its clients then go away, and no log says why."""
    if any(one is not None and one.tls is not None for one in (configuration.listener, configuration.operator)):
        from nhisync.app.listening import certificate_troubles  # noqa: PLC0415 - loads a parser of certificates

        for trouble in certificate_troubles(configuration, invocation.clock.now()):
            invocation.warn(trouble)


def tell_inbox(invocation: Invocation, configuration: Configuration) -> None:
    """Say when no cycle could take in what attesters put into the inbox: their word would be missing."""
    if configuration.inbox is not None:
        from nhisync.app.inbox import inbox_trouble  # noqa: PLC0415 - only where it is asked about

        if trouble := inbox_trouble(configuration.inbox):
            invocation.warn(trouble)


def tell_unreadable(invocation: Invocation, configuration: Configuration) -> None:
    """Name what stands among the objections and cannot be read: it blocks every backup, and is in no store."""
    from nhisync.app.objections import standing  # noqa: PLC0415 - only where it is asked about

    for file in standing(configuration.publish.snapshot).unreadable:
        invocation.warn(f"{file} cannot be read as an objection, so it blocks every backup: see whose it is, remove it")


def tell_comparisons(invocation: Invocation, configuration: Configuration, command: str) -> None:
    """Say which policies compare values: with what mode read grants, and its denials, they would find nothing."""
    used = {app.tier for app in configuration.apps}
    comparing = sorted(tier for tier in used if configuration.tiers[tier].evidence.compare_values)
    for tier in comparing:
        told = f"policy {tier} compares values, which mode read cannot"
        invocation.hint(f"{told}: nhisync {command} --mode fingerprint")
