"""One primary path against one backup path: stream both cursors through the engine and gather what the report needs."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from nhisync.app.ends import agreed_until, proven_until
from nhisync.app.ports import Notebook, Stored
from nhisync.model import (
    OWN,
    SESSION_STATE,
    App,
    AppReport,
    Attestation,
    Coverage,
    CoverageStatus,
    Finding,
    Layer,
    LayerCount,
    Presence,
    Severity,
    Side,
    State,
)
from nhisync.parity.book import AppTerms
from nhisync.parity.engine import FAR, Judged, Missing, Remembered, judge, reading, stamp
from nhisync.parity.findings import Places, findings_of, seen_place
from nhisync.parity.pairing import Pairing
from nhisync.parity.row import instant
from nhisync.parity.rule import PASS, Outcome, Rule
from nhisync.parity.rules import BY_CODE
from nhisync.parity.rules.sessions import BACKUP_REFUSES, VALUES_DIFFER
from nhisync.parity.stream import SHOWN, STAMPED
from nhisync.parity.text import clean, span
from nhisync.readiness import Own, Tally, attested, blocks, closed_by, covering, fold, unfit

EMPTY_APP, SHRUNK_SWEEP, UNSEEN_PAIR, EQUAL_VALUE = "NHS906", "NHS907", "NHS905", "NHS401"
"""Codes that no row can tell, because there is none or because the comparison of values failed."""

NOT_ATTESTED, UNFIT, OWN_UNFIT = "NHS910", "NHS911", "NHS912"
"""Codes about the app as a whole: what a tier wants to be told (`nhisync attest`), and what it was read with."""

NOT_SHOWN, SESSIONS_LOST = "NHS811", "NHS812"
"""Codes about the app as a whole: its sessions in a switch."""

FIELD_MISSING = "NHS105"
"""What says that there is nothing to compare."""

_NEVER = 0
"""A recheck (epoch seconds) at which a memory never holds."""


@dataclass(slots=True)
class _AppTally:
    tally: Tally = field(default_factory=Tally)
    layers: dict[Layer, list[int]] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    beside: Counter[Severity] = field(default_factory=Counter)
    oldest: int = FAR
    attested: int = FAR
    proven_until: int = FAR
    agreed_until: int = FAR
    unchanged: int = 0
    exempt: int = 0

    def count(self, layer: Layer, state: State) -> None:
        row = self.layers.setdefault(layer, [0, 0, 0, 0])
        row[_COLUMN[state]] += 1

    @property
    def until(self) -> int:
        """When the first thing ends that the verdict rests on."""
        return min(self.attested, self.proven_until, self.agreed_until)

    def counted(self, outcomes: Iterable[tuple[Rule, Outcome]]) -> Iterator[tuple[Rule, Outcome]]:
        """Count the passes, of which nothing else is kept; the others."""
        for rule, outcome in outcomes:
            if outcome is PASS:
                self.count(rule.info.layer, State.PASS)
            else:
                yield rule, outcome


_COLUMN = {State.PASS: 0, State.FAIL: 1, State.UNKNOWN: 2, State.WAIVED: 3}
_WORST = {State.FAIL: 0, State.UNKNOWN: 1, State.WAIVED: 2, State.PASS: 3}
_GRAVE = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(slots=True, kw_only=True)
class Assessment:
    """One primary path against one backup path.

    Attributes:
        book: app name → terms; only these apps are judged.
        primary: name of the primary path.
        backup: name of the backup path.
        now: the one instant of the assessment.
        shrunk: (app, path, coverage entry that was not believed).
        unlisted: (app, why its set of pairs is not known).
        attestations: what was attested about apps and paths.
        uncompared: key → why its values were not compared although policy asks for it.
        places: where a side of a pair stands or should stand.
        keep_passes: make findings of passes too.
        own: what was judged of nhisync's own credentials: beside another primary, or here when it has run.
        findings: what did not pass (and passes when asked for).
    """

    book: Mapping[str, AppTerms]
    primary: str
    backup: str
    now: datetime
    shrunk: Sequence[tuple[str, str, Coverage]] = ()
    unlisted: Sequence[tuple[str, str]] = ()
    attestations: Sequence[Attestation] = ()
    uncompared: Mapping[str, str] = field(default_factory=dict)
    places: Places = seen_place
    keep_passes: bool = False
    own: Own | None = None
    findings: list[Finding] = field(default_factory=list)
    _tallies: dict[str, _AppTally] = field(default_factory=dict)
    _own_until: dict[str, int] = field(default_factory=dict)
    _notebook: Notebook | None = None

    def run(self, missing: Missing, notebook: Notebook) -> tuple[AppReport, ...]:
        """Judge all pairs; returns one report per app, in order of name."""
        self._notebook = notebook
        seconds = int(self.now.timestamp())
        for name, terms in self.book.items():
            self._tallies[name] = _AppTally(unseen=set(terms.pairs))
        for judged in self._judged(missing, notebook, seconds):
            self._take(judged, seconds, notebook.stored)
        for name, terms in sorted(self.book.items()):
            self._without_rows(terms, self._tallies[name])
        self._own()
        self.findings.sort(key=lambda f: (f.app, _WORST[f.state], _GRAVE[f.severity], f.code, f.pair))
        return tuple(self._report(terms) for _, terms in sorted(self.book.items()))

    def _judged(self, missing: Missing, notebook: Notebook, seconds: int) -> Iterator[Judged]:
        remembered = None if self.keep_passes else notebook.remembered  # passes are not stored
        p, b, memories = reading(self.book, remembered, SHOWN | STAMPED)
        rows = notebook.stream(self.primary, p), notebook.stream(self.backup, b)
        return judge(*rows, self.book, now=seconds, missing=missing, remembered=memories, passes=True)

    def _take(self, judged: Judged, seconds: int, stored: Stored) -> None:
        app = judged.key.partition("/")[0]
        terms, tally = self.book[app], self._tallies[app]
        tally.unseen.discard(judged.key)
        exempt = terms.exempts(judged.key, seconds)
        tally.exempt += exempt
        tally.oldest = min(tally.oldest, *(FAR if seen is None else seen for seen in judged.observed))
        proven = proven_until(judged, terms, exempt=exempt)
        if judged.outcomes is None:
            tally.unchanged += 1
            kept = list(stored(judged.key))
        else:
            told = judged if self.keep_passes else judged._replace(outcomes=list(tally.counted(judged.outcomes)))
            roles = {"primary": self.primary, "backup": self.backup}
            kept = list(findings_of(told, terms, **roles, now=seconds, places=self.places))
        kept, guessed = self._believed(judged.key, kept)
        doubts = [*guessed, *self._uncompared(judged, terms, kept), *self._unspoken(judged, terms)]
        agreed = agreed_until(judged.key, kept, terms, seconds)
        tally.proven_until, tally.agreed_until = min(tally.proven_until, proven), min(tally.agreed_until, agreed)
        if app == OWN:
            self._own_until[judged.key.partition("/")[2]] = min(proven, agreed)
        self._count(tally, [*kept, *doubts])
        self._remember(judged, kept, doubts)

    def _remember(self, judged: Judged, found: Sequence[Finding], doubts: Sequence[Finding]) -> None:
        """Remember a newly judged pair; one whose result also rests on a waiver's end or a doubt is judged again.

        Then the memory that may be held of the pair must go: the findings stored from now on are not those it means.
        """
        passing = bool(doubts) or any(finding.waiver for finding in found)
        if self._notebook is None or (judged.outcomes is None and not passing):
            return
        p, b = judged.primary, judged.backup
        if p is not None and b is not None:
            recheck = _NEVER if passing else judged.recheck
            self._notebook.remember(Remembered(judged.key, stamp(p), stamp(b), recheck))

    def _keep(self, findings: Iterable[Finding]) -> None:
        """Add to the report, and to the record what did not pass."""
        for finding in findings:
            if finding.state is not State.PASS and self._notebook is not None:
                self._notebook.finding(finding)
            if finding.state is not State.PASS or self.keep_passes:
                self.findings.append(finding)

    def _believed(self, key: str, found: list[Finding]) -> tuple[list[Finding], list[Finding]]:
        """What was found, without "the values differ" of values that were not compared; and that, as unknown."""
        reason = self.uncompared.get(key)
        guessed = [f for f in found if reason and f.code == BACKUP_REFUSES.code and f.observed == VALUES_DIFFER]
        kept = [f for f in found if f not in guessed]
        return kept, [replace(f, state=State.UNKNOWN, observed=reason or "", waiver="") for f in guessed]

    def _uncompared(self, judged: Judged, terms: AppTerms, found: Sequence[Finding]) -> Iterator[Finding]:
        """Policy asks for the comparison and it was not made: unknown, never "not equal".

        Where the field to compare is missing and that blocks already, it is said once. A pair that may share, or that
        nothing is judged of, has no such question.
        """
        if terms.spares(judged.key, int(self.now.timestamp())):
            return
        if any(f.code == FIELD_MISSING and f.state is State.FAIL and f.severity is Severity.ERROR for f in found):
            return
        reason = self.uncompared.get(judged.key)
        if reason and judged.primary is not None and judged.backup is not None:
            yield self._unknown(EQUAL_VALUE, terms, judged.key.partition("/")[2], reason)

    def _unspoken(self, judged: Judged, terms: AppTerms) -> Iterator[Finding]:
        """A side is not there, and no rule says so because the tier does not ask it: unknown, never a pass."""
        if judged.outcomes is None or any(outcome.state is not State.PASS for _, outcome in judged.outcomes):
            return
        for side, row in (("primary", judged.primary), ("backup", judged.backup)):
            if row is None or row.presence != Presence.PRESENT.value:
                yield self._unknown(UNSEEN_PAIR, terms, judged.key.partition("/")[2], f"no rule judged the {side}")

    def _count(self, tally: _AppTally, found: list[Finding]) -> None:
        """Count one pair and keep its findings."""
        for finding in found:
            tally.count(finding.layer, finding.state)
        open_ones = [f for f in found if f.state is not State.PASS]
        for finding in open_ones:
            if finding.state is not State.WAIVED and not blocks(finding):
                tally.beside[finding.severity] += 1
        tally.tally.add(open_ones, [BY_CODE[f.code].info.block for f in open_ones])
        self._keep(found)

    def _without_rows(self, terms: AppTerms, tally: _AppTally) -> None:
        """What no row can tell: pairs nobody looked at, an app without pairs, a sweep that is not believed."""
        for key in sorted(tally.unseen):
            text = "neither side was looked at in this run"
            self._count(tally, [self._unknown(UNSEEN_PAIR, terms, key.partition("/")[2], text)])
        for path, entry in ((path, entry) for app, path, entry in self.shrunk if app == terms.app.name):
            message = entry.error.message if entry.error else "the sweep shrank"
            told = f"{path}: {entry.source}:{entry.kind}: {message}"
            self._block(tally, self._unknown(SHRUNK_SWEEP, terms, "", told, step=_acceptance(path, entry)))
        for told in (told for app, told in self.unlisted if app == terms.app.name):
            self._block(tally, self._unknown(UNSEEN_PAIR, terms, "", told))
        self._attested(terms, tally)
        self._sessions(terms, tally)
        if not tally.tally.pairs:
            self._block(tally, self._unknown(EMPTY_APP, terms, "", "no pair was found for this app"))
        elif tally.tally.pairs == tally.exempt:
            self._block(tally, self._unknown(EMPTY_APP, terms, "", "every pair is exempt, so nothing was judged"))

    def _own(self) -> None:
        """What was read with a credential of nhisync's own that is unfit is not known."""
        if here := self.book.get(OWN):
            tally, ends = self._tallies[OWN], self._own_until
            self.own = Own(here.app, unfit(here.app, tally.tally.blockers), {**ends, "": tally.attested})
        for name, terms in sorted(self.book.items()):
            if self.own is None or name == OWN:
                continue
            pairing, tally = Pairing(self.backup, (terms.app,)), self._tallies[name]
            sources = {locator.source for locator in pairing.wanted} | set(pairing.swept)
            until = covering(self.own.app, self.own.ends, sources).values()
            tally.agreed_until = min(tally.agreed_until, *until, FAR)
            if reasons := closed_by(self.own.app, self.own.unfit, sources):
                self._block(tally, self._unknown(OWN_UNFIT, terms, "", "; ".join(reasons)))

    def _attested(self, terms: AppTerms, tally: _AppTally) -> None:
        """What the tier wants to be told: kinds that are missing are unknown, one that does not hold is a fail."""
        app, wanted = terms.app.name, terms.tier.attestations
        found = attested(wanted, self.attestations, app=app, path=self.backup, now=self.now)
        for one in found:
            tally.count(Layer.TRANSACTION, one.state)
            if one.expires is not None:
                tally.attested = min(tally.attested, int(one.expires.timestamp()))
        for state, code in ((State.FAIL, UNFIT), (State.UNKNOWN, NOT_ATTESTED)):
            said = [one for one in found if one.state is state]
            if said:
                told = self._unknown(code, terms, "", "; ".join(f"{one.kind}: {one.told}" for one in said))
                expected = "; ".join(f"{one.kind}{_within(one.max_age)}" for one in said)
                self._block(tally, replace(told, state=state, side=Side.BACKUP, expected=expected))

    def _sessions(self, terms: AppTerms, tally: _AppTally) -> None:
        """What no pair tells of sessions: that they are declared lost, or that the tier asks and no pair answers."""
        app, asked = terms.app, {rule.info.code for rule in terms.rules}
        now = int(self.now.timestamp())
        over = app.lost is None or (terms.lost_until or 0) < now
        if app.lost is not None and SESSIONS_LOST in asked:
            told = f"declared by {clean(app.lost.owner)} until {app.lost.until}: {clean(app.lost.reason)}"
            said = self._unknown(SESSIONS_LOST, terms, "", f"{told} (over)" if over else told)
            self._beside(tally, replace(said, state=State.FAIL))
        signing = any(pair.signing and not terms.exempts(pair.key, now) for pair in app.pairs)
        answered = signing or SESSION_STATE in terms.tier.attestations
        if not over and terms.lost_until is not None:  # it may be what keeps the pairs of signing keys from being asked
            tally.agreed_until = min(tally.agreed_until, terms.lost_until + 1)
        if over and NOT_SHOWN in asked and not answered:
            self._block(tally, self._unknown(NOT_SHOWN, terms, "", "no pair of kind signing-key is named and judged"))

    def _beside(self, tally: _AppTally, finding: Finding) -> None:
        """Keep a finding about the app as a whole, which blocks only where its tier says so."""
        if blocks(finding):
            self._block(tally, finding)
            return
        tally.beside[finding.severity] += 1
        self._keep([finding])

    def _block(self, tally: _AppTally, finding: Finding) -> None:
        """Keep a finding about the app as a whole; no pair is counted, and the app is not ready."""
        rank = 0 if finding.state is State.FAIL else 1
        tally.tally.blockers.append((rank, finding.code, "", BY_CODE[finding.code].info.block))
        self._keep([finding])

    def _unknown(self, code: str, terms: AppTerms, pair: str, observed: str, *, step: str = "") -> Finding:
        info = BY_CODE[code].info
        fix = step or info.remediation.get("*", "").replace("{app}", terms.app.name).replace("{pair}", pair)
        return Finding(
            code=code,
            state=State.UNKNOWN,
            severity=terms.severity(BY_CODE[code]),
            app=terms.app.name,
            pair=pair,
            title=info.title,
            side=Side.PAIR,
            layer=info.layer,
            consequence=info.consequence,
            observed=observed,
            next=tuple(step for step in (fix, f"nhisync explain {code}") if step),
            frameworks=info.frameworks,
        )

    def _report(self, terms: AppTerms) -> AppReport:
        app, tally = terms.app, self._tallies[terms.app.name]
        expires = None if tally.until == FAR else instant(tally.until)
        return AppReport(
            app=app.name,
            tier=terms.tier.name,
            owner=app.owner,
            runbook=app.runbook,
            primary=self.primary,
            backup=self.backup,
            verdict=fold(app, self.backup, terms.tier, tally.tally, now=self.now, evidence_expires=expires),
            layers=tuple(_layer(layer, tally.layers.get(layer)) for layer in Layer),
            pairs=tally.tally.pairs,
            unchanged=tally.unchanged,
            evidence_age=None if tally.oldest == FAR else max(timedelta(0), self.now - instant(tally.oldest)),
            warnings=tally.beside[Severity.WARNING],
            infos=tally.beside[Severity.INFO],
            primary_fails=tally.beside[Severity.ERROR],
        )


def _within(max_age: timedelta | None) -> str:
    return " that holds" if max_age is None else f" within {span(int(max_age.total_seconds()))}"


def _layer(layer: Layer, counts: list[int] | None) -> LayerCount:
    passed, failed, unknown, waived = counts or (0, 0, 0, 0)
    return LayerCount(layer=layer, passed=passed, failed=failed, unknown=unknown, waived=waived)


def _acceptance(path: str, entry: Coverage) -> str:
    """How to find out, and only then how to say, that the items of a sweep were really removed."""
    scope = f" --scope {shlex.quote(entry.scope)}" if entry.scope else ""
    command = f"nhisync store accept {path} {entry.source} {entry.kind}{scope} --items {entry.items}"
    return (
        f"Compare nhisync inventory {path} with the provider's own count. Only if the others were really removed: "
        f"{command} --approved-by WHO --reason WHY"
    )


def shrunk(app: App, path: str, coverage: Iterable[Coverage]) -> Iterator[tuple[str, str, Coverage]]:
    """The sweeps of `path` that were not believed and that `app` rests on."""
    pairing = Pairing(path, (app,))
    needed = {(locator.source, locator.kind) for locator in pairing.wanted}
    needed |= {(source, kind) for source, kinds in pairing.swept.items() for kind in kinds}
    for entry in coverage:
        if entry.status is CoverageStatus.SHRUNK and (entry.source, entry.kind) in needed:
            yield app.name, path, entry
