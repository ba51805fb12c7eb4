"""`nhisync attest`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.invocation import Invocation, current

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nhisync.app.attest import Told
    from nhisync.app.session import Session
    from nhisync.model import Attestation

app = typer.Typer()

MOST = 65_536
"""Characters of a signed attestation that are read from stdin."""

_CONSUMER = "consumer"

_COLUMNS = ("STATE", "APP", "PATH", "KIND", "COUNTS FOR", "TOLD")

_ObservedAt = Annotated[
    str | None, typer.Option("--observed-at", metavar="TIME", help="When, like 2026-11-28T02:00:00Z; default: now.")
]
_Signed = Annotated[str | None, typer.Option(metavar="FILE", help="A signed attestation instead; - reads stdin.")]


@app.command()
def attest(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="APP", help="The app.")] = None,
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="What was looked at, like capacity-test.")] = None,
    result: Annotated[str | None, typer.Option(metavar="pass|fail", help="What was found.")] = None,
    by: Annotated[str, typer.Option("--by", metavar="WHO", help="Who looked and answers for it.")] = "",
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="Where the proof is: a URL or a ticket.")] = "",
    observed_at: _ObservedAt = None,
    path: Annotated[str, typer.Option(metavar="PATH", help="The backup path, where the app has several.")] = "",
    pair: Annotated[str, typer.Option(metavar="PAIR", help="Of kind consumer: the pair it uses.")] = "",
    consumer: Annotated[str, typer.Option(metavar="NAME", help="Of kind consumer: which one.")] = "",
    generation: Annotated[str, typer.Option(metavar="ID", help="Of kind consumer: the version id it has loaded.")] = "",
    signed: _Signed = None,
) -> None:
    """Record what nhisync cannot observe, or show what is asked for.

    Examples:
        nhisync attest payments capacity-test --result pass --by load-team --evidence CI-812
        nhisync attest payments data-lag --result fail --by dba-oncall --observed-at 2026-11-28T02:00:00Z
        nhisync attest payments on-call --result fail --by me --evidence INC-4711
        nhisync attest payments consumer --pair stripe-api --consumer checkout --generation 7 --by deploy
        nhisync attest --signed capacity-2026-11.jws
        nhisync attest payments

    A tier asks for kinds under `attestations:`, each with the time one counts. What is missing or too old is unknown
    (NHS910), what does not hold is a fail (NHS911) until a later one says otherwise; neither is ready. The kind on-call
    needs no tier: say with it that a backup is not ready, whatever else was found. Recorded in the store and audited.

    The kind consumer says which generation a workload has loaded (NHS814, NHS815): --pair, --consumer and --generation,
    the version id that the store shows, instead of --result; --path may also be the primary.

    While a daemon holds the store, it records the word in its next cycle; --result fail is heard at once: the listener
    blocks. Where another machine holds it, this one is refused (5). Without KIND: what is asked for and what was said;
    formats: table, json. --signed takes a file of one who may sign (`attesters`) and needs nothing else.
    """
    invocation = current(ctx)
    if signed is not None:
        _refuse_beside(name, kind, result, by, evidence, observed_at, path, pair, consumer, generation)
        invocation.chosen_format("plain")
        _record_signed(invocation, signed)
        return
    if name is None or kind is None:
        _refuse_stray(result, by, evidence, observed_at, pair, consumer, generation)
        fmt = invocation.chosen_format("table", "json")
        _show(invocation, (name,) if name else (), fmt)
        return
    invocation.chosen_format("plain")
    kind = kind.lower()
    about = {"pair": pair, "consumer": consumer, "generation": generation}
    _record(invocation, name, kind, path, _holds(kind, result, about), (by, evidence, observed_at), about)


def _record_signed(invocation: Invocation, name: str) -> None:
    from nhisync.app.attest import attest as record  # noqa: PLC0415 - only when something is recorded
    from nhisync.app.signed import read, verified  # noqa: PLC0415
    from nhisync.cli.opening import open_session  # noqa: PLC0415

    session = open_session(invocation)
    text = invocation.stdin.read(MOST).encode() if name == "-" else read(name)
    claim, signer = verified(session, text)
    _said(invocation, session, claim, record(session, claim, actor=f"attester {signer}"))


def _record(
    invocation: Invocation,
    name: str,
    kind: str,
    path: str,
    holds: bool,
    told: tuple[str, str, str | None],
    about: "Mapping[str, str]",
) -> None:
    from nhisync.app.attest import attest as record  # noqa: PLC0415 - only when something is recorded
    from nhisync.app.attest import path_of  # noqa: PLC0415
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.cli.person import person  # noqa: PLC0415
    from nhisync.model import Attestation  # noqa: PLC0415

    session = open_session(invocation)
    by, evidence, observed_at = told
    claim = Attestation(
        app=name,
        path=path_of(session, name, path, consumer=bool(about["consumer"])),
        kind=kind,
        holds=holds,
        observed_at=session.clock.now() if observed_at is None else _instant(observed_at),
        attested_by=by,
        evidence=evidence,
        pair=about["pair"],
        consumer=about["consumer"],
        generation=about["generation"],
    )
    _said(invocation, session, claim, record(session, claim, actor=person()))


def _said(invocation: Invocation, session: "Session", claim: "Attestation", number: int) -> None:
    from nhisync.app.attest import ended, overtaken  # noqa: PLC0415
    from nhisync.cli.safe import printable  # noqa: PLC0415 - only when something was recorded

    word = "holds" if claim.holds else "does not hold"
    if claim.consumer:
        word = f"{claim.consumer} of {claim.pair} has loaded {claim.generation}"
    first = f"attestation {number}" if number else "heard, recorded in the next cycle"
    said = f"{first}: {claim.app}/{claim.path} {claim.kind} {word}"
    seen = f"seen {claim.observed_at:%Y-%m-%dT%H:%M:%SZ} by {claim.attested_by}"
    invocation.write(printable(f"{said}, {seen}") + "\n")
    later = overtaken(session, claim)
    if later is not None:
        invocation.hint(printable(ended(claim, later)))
    invocation.hint(f"Next: nhisync attest {claim.app}")


def _show(invocation: Invocation, names: tuple[str, ...], fmt: str) -> None:
    from nhisync.app.attest import told  # noqa: PLC0415 - only when something is shown
    from nhisync.cli.opening import open_session, tell_unreadable  # noqa: PLC0415
    from nhisync.cli.output.listing import as_json  # noqa: PLC0415

    session = open_session(invocation)
    tell_unreadable(invocation, session.configuration)
    found = told(session, names)
    invocation.write(as_json([_document(one) for one in found]) if fmt == "json" else _table(found, invocation))


def _table(found: "Sequence[Told]", invocation: Invocation) -> str:
    from nhisync.cli.output.listing import table  # noqa: PLC0415 - only for a person
    from nhisync.spi import format_duration  # noqa: PLC0415

    if not found:
        return "no tier asks for attestations (`attestations:` of a policy)\n"
    rows = [
        (
            one.attested.state.value.upper(),
            one.app,
            one.path,
            one.attested.kind,
            _lasting(one) if one.attested.max_age is None else format_duration(one.attested.max_age),
            one.attested.told,
        )
        for one in found
    ]
    colours = {"pass": "green", "fail": "bold red"}
    return table(invocation, _COLUMNS, rows, [colours.get(one.attested.state.value, "yellow") for one in found])


def _lasting(one: "Told") -> str:
    """How long a word counts that no tier asks for: one that holds has only ended an objection."""
    return "-" if one.attested.state.value == "pass" else "until it holds"


def _document(one: "Told") -> dict[str, object]:
    attested = one.attested
    counts = None if attested.max_age is None else int(attested.max_age.total_seconds())
    return {
        "app": one.app,
        "path": one.path,
        "kind": attested.kind,
        "state": attested.state.value,
        "told": attested.told,
        "max_age_seconds": counts,
        "expires_at": attested.expires.isoformat() if attested.expires else None,
    }


def _holds(kind: str, result: str | None, about: "Mapping[str, str]") -> bool:
    from nhisync.errors import UsageError  # noqa: PLC0415

    if kind == _CONSUMER and any(about.values()):
        if result is not None or not all(about.values()):
            fix = "--pair PAIR --consumer NAME --generation ID, and no --result"
            raise UsageError("what is said of a consumer is the generation that it has loaded", fix=fix)
        return True
    if any(about.values()):
        raise UsageError("--pair, --consumer and --generation belong to the kind consumer", fix="Leave them out.")
    if result not in {"pass", "fail"}:
        raise UsageError("an attestation says what was found", fix="--result pass, or --result fail")
    return result == "pass"


def _refuse_stray(*given: str | None) -> None:
    from nhisync.errors import UsageError  # noqa: PLC0415

    if any(given):
        raise UsageError("nothing says what was looked at", fix="nhisync attest APP KIND --result pass --by WHO")


def _refuse_beside(*given: str | None) -> None:
    from nhisync.errors import UsageError  # noqa: PLC0415

    if any(given):
        raise UsageError("a signed attestation says everything itself", fix="nhisync attest --signed FILE")


def _instant(text: str) -> datetime:
    from nhisync.errors import UsageError  # noqa: PLC0415

    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: in UTC it lies outside the calendar
        pass
    raise UsageError("--observed-at is no time with a zone", fix="Write it as 2026-11-28T02:00:00Z.")
