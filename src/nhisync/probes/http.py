"""HTTP: one GET with the credential; one without it and one with a made-up one tell whether anybody judges it.

A pair may add a script that changes something and undoes it (`nhisync.probes.script`).

401 and 403 are refusals (RFC 9110 §15.5.2, §15.5.4). Redirects are not followed: a credential goes where the
configuration says and nowhere else. Everything else that was not expected says nothing about the credential.
"""

from base64 import b64encode

from nhisync.probes.exchange import Answer, Request, exchange, member_of, resource_of, unexpected, unsendable
from nhisync.probes.order import Order, Patience, Presented, Shown, name_of, nobody_judges, refused, value_of
from nhisync.probes.script import Send, transacted
from nhisync.probes.stranger import stranger, stranger_certificate
from nhisync.probes.wire import ClientRefusedError, DeclinedError, place
from nhisync.spi import ErrorKind

_TURNED_AWAY = frozenset({400, 401, 403, 404, 422, *range(300, 400)})
"""How services answer a stranger: no, show something first, nothing here, or the way to a login page. Limits and faults
tell nothing: the same request with the credential might meet them next."""


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Ask with the credential, then without it, then with one that nobody gave out.

    Raises:
        ProviderError: the service cannot be asked.
    """
    floor = order.floor
    try:
        answer = _asked(order, presented, patience)
    except ClientRefusedError:
        return refused(floor, ErrorKind.AUTH_FAILED, "the service refuses the client certificate")
    if answer.status not in order.expect:
        return _unexpected(order, floor, answer.status)
    if order.auth == "none":
        return Shown(depth=floor, accepted=True)
    if (doubt := _doubt(order, floor, patience)) is not None:
        return doubt
    shown = Shown(depth=order.depth, accepted=True, seen_as=_seen_as(order, presented, answer.body))
    return transacted(order, shown, presented, patience, _sender(order, presented)) if order.script else shown


def _sender(order: Order, presented: Presented) -> Send:
    """Makes the requests of a script with the credential."""
    mutual = presented if order.auth == "client-certificate" else None
    credential = _credential(order, presented)

    def send(request: Request, patience: Patience) -> Answer:
        headers = {**request.headers, **credential}
        return exchange(order, Request(request.resource, headers, request.method, request.body), patience, mutual)

    return send


def _doubt(order: Order, floor: str, patience: Patience) -> Shown | None:
    """Why it may not have been the credential that opened; None when strangers are turned away."""
    mutual = order.auth == "client-certificate"
    made_up = stranger_certificate(patience.epoch) if mutual else stranger()
    for shown, how in ((None, "without a credential"), (made_up, "with a made-up credential")):
        try:
            status = _asked(order, shown, patience).status
        except (ClientRefusedError, DeclinedError):
            if not mutual:  # none was shown before either: a handshake says nothing of a token
                raise
            continue
        if status in order.expect:
            return nobody_judges(floor, f"the service answers the same {how}: it judges none")
        if status not in _TURNED_AWAY:
            return _unjudged(floor, status, f"{how} ")
    return None


def _unexpected(order: Order, floor: str, status: int) -> Shown:
    if status in {401, 403} and order.auth != "none":
        kind = ErrorKind.AUTH_FAILED if status == 401 else ErrorKind.DENIED
        return refused(floor, kind, f"the service answers {status}")
    return _unjudged(floor, status)


def _unjudged(floor: str, status: int, when: str = "") -> Shown:
    return Shown(depth=floor, accepted=None, error=unexpected(status, when))


def _asked(order: Order, presented: Presented | None, patience: Patience) -> Answer:
    mutual = presented if order.auth == "client-certificate" else None
    return exchange(order, Request(resource_of(order.target), _credential(order, presented)), patience, mutual)


def _credential(order: Order, presented: Presented | None) -> dict[str, str]:
    if presented is None or order.auth not in {"bearer", "basic", "header"}:
        return {}
    secret = value_of(presented)
    if order.auth == "basic":
        return {"Authorization": f"Basic {b64encode(presented.user.encode() + b':' + secret).decode()}"}
    text = secret.decode("latin-1")
    if not text.isprintable():
        raise unsendable()
    return {"Authorization": f"Bearer {text}"} if order.auth == "bearer" else {order.header: text}


def _seen_as(order: Order, presented: Presented, body: bytes) -> str:
    """Who the service saw, with its host: names of two services have nothing to do with one another."""
    found = member_of(body, order.seen_as) if order.seen_as else ""
    host, port = place(order.target)
    name = name_of(found, presented) if found else ""
    return f"{name} at {host}:{port}" if name else ""
