"""The operator process of `nhisync serve`: authenticated requests in, words for the next cycle out."""

import logging
import os
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nhisync.app.attest import ended, overtaken
from nhisync.app.posted import deliver, posted
from nhisync.app.session import Session
from nhisync.cli.ready import configuration_of
from nhisync.errors import NhisyncError, UsageError
from nhisync.server.operator import Gate, OperatorSite, Request
from nhisync.server.serving import HttpServer, TlsFiles, bind, check_tls, stop_with_parent

if TYPE_CHECKING:
    from nhisync.cli.invocation import Invocation
    from nhisync.config import Configuration, Operator

SECTION = "operator"

_log = logging.getLogger(__name__)


def operator_of(configuration: "Configuration") -> "Operator":
    """What is configured.

    Raises:
        UsageError: nothing is.
    """
    if configuration.operator is None:
        fix = "Add one: operator: {bind: 127.0.0.1:9443, token_file: operator.token}"
        raise UsageError("no operator listener is configured", fix=fix)
    return configuration.operator


def operate(invocation: "Invocation", *, child: bool) -> None:
    """Serve the operator listener until a signal, or as a `child` until the parent is gone.

    Raises:
        UsageError: the address is taken, or token or TLS files cannot be used.
        ConfigurationError: with all problems at once.
    """
    desk = _Desk(invocation)
    operator = operator_of(desk.session.configuration)
    tls = TlsFiles.of(operator.tls)
    if tls is not None:
        check_tls(tls, SECTION)
    site = OperatorSite(Gate(operator.token_file), desk.post)
    sockets = bind(str(operator.bind), f"{SECTION}.bind")
    server = HttpServer(site, tls, section=SECTION)
    for sock in sockets:
        scheme = "https" if tls else "http"
        invocation.hint(f"operators: {scheme}://{operator.bind.host}:{sock.getsockname()[1]}/v1/attestations/APP/KIND")
    invocation.stderr.flush()
    if child:
        stop_with_parent(server.stop)
    _warn_of_readers(operator)
    server.run(sockets, lambda: _reload(desk, site, certified=tls is not None and tls.client_ca is not None))


class _Desk:
    """Takes what is posted, by the configuration of now."""

    def __init__(self, invocation: "Invocation") -> None:
        self._invocation = invocation
        self.session = self.opened()

    def post(self, asked: Request) -> Mapping[str, Any]:
        """Lay one attestation down; see `nhisync.server.operator.Post`."""
        session = self.session
        claim, actor = posted(session, asked.app, asked.kind, asked.media, asked.body, peer=asked.peer)
        claim = deliver(session, claim, actor=actor)
        later = overtaken(session, claim)
        counts = "from the next cycle" if claim.holds else "now: the backup is blocked"
        counts = counts if later is None else f"now, but {ended(claim, later)}"
        _log.info("%s/%s %s: taken from %s", claim.app, claim.path, claim.kind, actor)
        return {
            "app": claim.app,
            "path": claim.path,
            "kind": claim.kind,
            "result": "pass" if claim.holds else "fail",
            "observed_at": claim.observed_at.isoformat(),
            "attested_by": claim.attested_by,
            "counts": counts,
        }

    def opened(self) -> Session:
        """The configuration as it stands now.

        Raises:
            NhisyncError: it cannot be used.
        """
        # Sources' own settings are the sync process's affair: no provider, and so no SDK, is loaded here.
        return Session(configuration_of(self._invocation), clock=self._invocation.clock)


def _reload(desk: _Desk, site: OperatorSite, *, certified: bool) -> None:
    """What a SIGHUP does besides the certificate; trouble leaves everything as it was.

    Args:
        desk: reads the configuration again.
        site: gets another gate.
        certified: TLS, as it was set up at the start, lets in nobody without a client certificate.
    """
    try:
        session = desk.opened()
        operator = operator_of(session.configuration)
        if operator.token_file is None and not certified:  # nobody would ask whom it lets in until a restart
            told = "operator.token_file is gone, and client certificates are asked for from a restart on only"
            raise UsageError(told, fix="Restart nhisync serve.")
        gate = Gate(operator.token_file)
    except NhisyncError as trouble:
        _log.error("the operator listener goes on as before: %s. %s", trouble.message, trouble.fix)
        return
    desk.session, site.gate = session, gate
    _warn_of_readers(operator)


def _warn_of_readers(operator: "Operator") -> None:
    """Say that a token is no secret when others may read it."""
    file = operator.token_file
    try:
        readable = file is not None and os.stat(file).st_mode & (stat.S_IRGRP | stat.S_IROTH)
    except OSError:
        return  # removed meanwhile; the token in use was read before
    if readable:
        _log.warning("operator.token_file %s can be read by others: chmod 600 it, and change the token", file)
