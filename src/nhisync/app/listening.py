"""The listener's own certificate: from its end on no poller that verifies it is answered, and no log says why."""

from datetime import datetime, timedelta

from nhisync.config import Configuration
from nhisync.spi.files import read_file
from nhisync.spi.x509 import MalformedError, decode_pem

SOON = timedelta(days=7)
"""Time before the end of the certificate from which on it is told."""


def certificate_trouble(configuration: Configuration, now: datetime) -> str:
    """What is wrong with the certificate file that `listener.tls` names, with the next step; "" when nothing is.

    Args:
        configuration: names the file.
        now: aware UTC.
    """
    tls = configuration.listener.tls if configuration.listener else None
    if tls is None:
        return ""
    try:
        shown = decode_pem(read_file(tls.cert))
    except PermissionError:
        return ""  # asked by another user than the listener's; that one is told at its start
    except (OSError, MalformedError):
        shown = []
    if not shown:
        return f"the listener's certificate {tls.cert} cannot be read: check listener.tls.cert before the next start"
    end = min(certificate.not_valid_after_utc for certificate in shown)
    if end - now > SOON:
        return ""
    tense = "ended" if end <= now else "ends"
    when = f"{end:%Y-%m-%dT%H:%M:%SZ}"
    return (
        f"the listener's certificate {tls.cert} {tense} {when}: pollers that verify it then get no answer. "
        "Renew it, then send SIGHUP to nhisync serve"
    )
