"""AMQP 0-9-1 (RabbitMQ): one login to one virtual host; ``txn`` sends a message through a queue of our own.

A broker whose authentication backend says yes to everybody does not tell, so that the same login is also made with a
made-up password.

The queue is named by the server, belongs to this connection alone and is gone with it. Refusals are told apart by the
broker's reply codes (AMQP 0-9-1 specification §1.2: 403 access-refused, 530 not-allowed).
"""

import logging
import re
import ssl
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from nhisync.probes.order import Order, Patience, Presented, Shown, login_of, name_of, not_made, refused, value_of
from nhisync.probes.stranger import proven, stranger
from nhisync.probes.wire import connect, context_of, place
from nhisync.spi import ErrorKind, ProviderError

_BODY: Final = b"nhisync probe"

_CODE: Final = re.compile(r"ConnectionClosedByBroker: \((\d{3})\)")
"""Where pika tells the broker's reply code; it calls every connection that ends during a login a probable refusal."""

_LEAVING: Final = 2.0
"""Seconds for the broker's goodbye."""


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Log in, look at the broker's name, leave; then try the made-up password.

    Raises:
        ProviderError: nobody answers, the value is no text, or the client is not installed.
    """
    try:
        import pika  # noqa: PLC0415 - an extra, and only this kind needs it
    except ModuleNotFoundError:
        fix = "pip install 'nhisync[amqp]'"
        raise ProviderError(ErrorKind.UNSUPPORTED, "the client pika is not installed", fix=fix) from None
    logging.getLogger("pika").setLevel(logging.CRITICAL + 1)  # what fails is told by us
    connect(*place(order.target), patience).close()
    shallow = replace(order, depth="auth")
    shown = _tried(pika, order, presented, patience)
    return proven(shown, order.floor, lambda: _tried(pika, shallow, stranger(presented.user), patience))


def _tried(pika: Any, order: Order, presented: Presented, patience: Patience) -> Shown:
    from pika.adapters.utils.connection_workflow import AMQPConnectorException  # noqa: PLC0415

    try:
        connection = pika.BlockingConnection(_parameters(pika, order, presented, patience))
    except (pika.exceptions.AMQPError, AMQPConnectorException, OSError) as failure:
        return _failed(failure, order.floor)
    timers = connection._impl.ioloop  # noqa: SLF001 - those of the connection itself run between calls only
    try:
        timers.call_later(patience.left, _late)
        return _logged_in(connection, order, presented, pika.exceptions.AMQPError)
    finally:
        timers.call_later(_LEAVING, _late)
        with suppress(pika.exceptions.AMQPError, OSError):
            connection.close()


def _late() -> None:
    """End whatever waits for a broker that let us in and says nothing more; pika itself would wait for ever."""
    raise TimeoutError


def _logged_in(connection: Any, order: Order, presented: Presented, broken: type[Exception]) -> Shown:
    told = connection._impl.server_properties  # noqa: SLF001 - pika shows it nowhere else
    name = told.get("cluster_name") if isinstance(told, dict) else None
    host, port = place(order.target)
    where = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    cluster = name_of(where, presented) if isinstance(where, str) else ""
    seen = f"{login_of(presented)} at {cluster or f'{host}:{port}'}" if login_of(presented) else ""
    if order.depth != "txn":
        return Shown(depth="auth", accepted=True, seen_as=seen)
    try:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
        channel.confirm_delivery()
        channel.basic_publish("", queue, _BODY, mandatory=True)
        _, _, body = channel.basic_get(queue, auto_ack=True)
    except (broken, OSError):
        fix = "Let the user configure, write and read amq.gen-.* on the virtual host."
        told_why = "the login is accepted, but no message comes through a queue of its own"
        return not_made("auth", ProviderError(ErrorKind.DENIED, told_why, fix=fix))
    if body != _BODY:
        return not_made("auth", ProviderError(ErrorKind.MALFORMED, "the message came back changed, or not at all"))
    return Shown(depth="txn", accepted=True, seen_as=seen)


def _parameters(pika: Any, order: Order, presented: Presented, patience: Patience) -> Any:
    host, port = place(order.target)
    try:
        credentials = pika.PlainCredentials(presented.user, value_of(presented).decode())
    except UnicodeDecodeError:
        raise ProviderError(ErrorKind.MISCONFIGURED, "the value is no text that a login can carry") from None
    options = pika.SSLOptions(context_of(order.ca_file), order.server_name or host) if order.encrypted else None
    return pika.ConnectionParameters(
        host=host,
        port=port,
        virtual_host=order.vhost or "/",
        credentials=credentials,
        ssl_options=options,
        connection_attempts=1,
        socket_timeout=patience.left,
        stack_timeout=patience.left,
        blocked_connection_timeout=patience.left,
        heartbeat=0,
    )


def _failed(failure: Exception, floor: str) -> Shown:
    code = _CODE.search(repr(failure))
    if code and code[1] == "403":
        return refused(floor, ErrorKind.AUTH_FAILED, "the broker refuses the login")
    if code and code[1] == "530":
        return refused(floor, ErrorKind.DENIED, "the virtual host is not there, or the user may not use it")
    if isinstance(failure, ssl.SSLError) or isinstance(failure.__cause__, ssl.SSLError):
        told = "the broker's certificate is not trusted (TLS)"
        return not_made("tcp", ProviderError(ErrorKind.UNREACHABLE, told, fix="Name its authority as ca_file."))
    return not_made("tcp", ProviderError(ErrorKind.UNREACHABLE, "the connection was lost"))
