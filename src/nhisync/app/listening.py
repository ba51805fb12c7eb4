"""The listeners' own certificates: from its end on nobody who verifies one is answered, and no log says why."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from nhisync.config import Configuration
from nhisync.config.values import Tls
from nhisync.spi.files import read_file
from nhisync.spi.x509 import MalformedError, decode_pem

SOON = timedelta(days=7)
"""Time before the end of the certificate from which on it is told."""


def certificate_troubles(configuration: Configuration, now: datetime) -> Iterator[str]:
    """What is wrong with the certificate files of `listener.tls` and `operator.tls`, each with the next step.

    Args:
        configuration: names the files.
        now: aware UTC.
    """
    listener, operator = configuration.listener, configuration.operator
    if listener is not None and listener.tls is not None:
        yield from _trouble(listener.tls, now, "listener", "pollers")
    if operator is not None and operator.tls is not None:
        yield from _trouble(operator.tls, now, "operator", "operators")


def _trouble(tls: Tls, now: datetime, section: str, who: str) -> Iterator[str]:
    whose = "listener" if section == "listener" else f"{section} listener"
    try:
        shown = decode_pem(read_file(tls.cert))
    except PermissionError:
        return  # asked by another user than the listener's; that one is told at its start
    except (OSError, MalformedError):
        shown = []
    if not shown:
        yield f"the {whose}'s certificate {tls.cert} cannot be read: check {section}.tls.cert before the next start"
        return
    end = min(certificate.not_valid_after_utc for certificate in shown)
    if end - now > SOON:
        return
    tense = "ended" if end <= now else "ends"
    yield (
        f"the {whose}'s certificate {tls.cert} {tense} {end:%Y-%m-%dT%H:%M:%SZ}: {who} that verify it then get no "
        "answer. Renew it, then send SIGHUP to nhisync serve"
    )
