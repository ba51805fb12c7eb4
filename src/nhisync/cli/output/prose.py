"""The words of all human-readable formats: ages, verdict sentences, explanations."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.output.options import RenderOptions
from nhisync.model import (
    AppReport,
    Blackout,
    Finding,
    LayerCount,
    Mode,
    PathSummary,
    Report,
    Severity,
    State,
    Verdict,
    Word,
)
from nhisync.parity.text import span

_OPEN = (State.FAIL, State.UNKNOWN)
REASONS = 5
"""With more causes than these, each is told without why it hurts, unless ``-v`` asks for everything."""

NAMED = 3
"""Most pairs named in a sentence."""

_WORD = re.compile(r"[a-z]+(?:[ ,;:]|\Z)")
_COMMAND = re.compile(r"nhisync [^;]*[^;.]")
"""A step that can be typed as it stands; others are advice."""

WORDS = {Word.READY: "READY", Word.NOT_READY: "NOT READY", Word.UNKNOWN: "UNKNOWN"}
"""The verdict, literally as contracts.md §1 has it."""


def zulu(instant: datetime) -> str:
    """RFC 3339 in UTC with ``Z``, seconds."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def age(span: timedelta) -> str:
    """``00:38``, ``05:12:09`` or ``6d04h``."""
    seconds = max(0, int(span.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d{hours:02}h"
    return f"{hours:02}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes:02}:{seconds % 60:02}"


def plural(count: int, word: str) -> str:
    """``1 pair``, ``2 pairs``."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def sentence(text: str) -> str:
    """`text` with a full stop, and a capital where it begins with a word; names keep their case."""
    stripped = text.strip()
    if not stripped:
        return ""
    head = stripped[0].upper() if _WORD.match(stripped) else stripped[0]
    return head + stripped[1:] + ("" if stripped.endswith((".", "!", "?")) else ".")


def wanted(finding: Finding) -> str:
    """``Wanted: at most 24h.``, or nothing."""
    text = finding.expected.strip()
    return f"Wanted: {text}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""


def state_word(finding: Finding) -> str:
    """``FAIL``; with the severity when it is one that does not block: ``FAIL (warning)``."""
    if finding.severity is Severity.ERROR or finding.state in {State.PASS, State.WAIVED}:
        return finding.state.value.upper()
    return f"{finding.state.value.upper()} ({finding.severity.value})"


def check_words(finding: Finding) -> str:
    """The title; a fail that was accepted until a day which is over says so in its own row."""
    ended = finding.state is State.FAIL and finding.waiver
    return f"{finding.title} (acceptance ended)" if ended else finding.title


def place(path: PathSummary | None, name: str) -> str:
    """``primary vault+tls@eu-west-1``."""
    if path is None:
        return name
    providers = "+".join(dict.fromkeys(source.provider for source in path.sources))
    region = f"@{path.region}" if path.region else ""
    return f"{name} {providers}{region}" if providers else f"{name}{region}"


def heading(app: AppReport, report: Report) -> str:
    """The line above an app's table."""
    paths = {path.name: path for path in report.paths}
    primary, backup = place(paths.get(app.primary), app.primary), place(paths.get(app.backup), app.backup)
    evidence = "no evidence" if app.evidence_age is None else f"evidence {age(app.evidence_age)} old"
    parts = [app.app, f"tier {app.tier}", f"{primary} → {backup}", evidence]
    if app.verdict.mode is Mode.OBSERVE:
        parts.append("mode observe: gates nothing")
    return " · ".join(parts)


def layers(app: AppReport) -> str:
    """All layers of equivalence in order, none left out: those nobody asked about stand last.

    Of pairs that were taken over unchanged only what does not pass is stored, so nobody knows what was asked of them.
    """
    told = [f"{count.layer.value} {_layer(count)}" for count in app.layers if _layer(count)]
    silent = [count.layer.value for count in app.layers if not _layer(count)]
    word = "ok as before or not asked" if app.unchanged else "not asked"
    return " · ".join([*told, *([f"{word}: {', '.join(silent)}"] if silent else [])])


def _layer(count: LayerCount) -> str:
    named = ((count.failed, "fail"), (count.unknown, "unknown"), (count.waived, "waived"))
    told = [f"{number} {word}" for number, word in named if number]
    return ", ".join(told) or ("ok" if count.passed else "")


def survival(blackout: Blackout) -> str:
    """How long the backup lives without its issuers, who dies first, and what is not known of it."""
    some = _share(blackout.unknown, blackout.pairs)
    more = blackout.unknown - NAMED
    names = ", ".join(blackout.unsure[:NAMED]) + (f" and {more} more" if more > 0 else "")
    parts = [f"not known of {some} ({names})"] if some else []
    if blackout.until is not None and blackout.left:
        left = f"{'at most ' if some else ''}{span(blackout.left)}, until {zulu(blackout.until)}"
        parts = [f"{left}; {blackout.first} dies first ({blackout.cause})", *parts]
    elif blackout.until is not None:
        parts = [f"{blackout.first} does not work even now ({blackout.cause})", *parts]
    elif not some:
        parts = ["no identity ends by itself" if blackout.pairs else "there is no pair"]
    if blackout.required is not None:
        parts.append(f"asked for {span(blackout.required)}")
    return "; ".join(parts)


def _share(some: int, every: int) -> str:
    return f"{some} of {plural(every, 'pair')}" if some else ""


def verdict_sentence(app: AppReport) -> str:
    """What the verdict means for this app and path, and what stands beside it."""
    verdict = app.verdict
    told = _counted(verdict)
    if verdict.word is Word.READY:
        told = ", ".join([_passing(verdict), *_beside(app), f"valid until {zulu(verdict.valid_until)}"])
        text = f"{verdict.path} can take {verdict.app}: {told}."
    elif verdict.word is Word.NOT_READY:
        text = f"{verdict.path} cannot take {verdict.app}: {told}."
    else:
        told = ", ".join([told, *_of_primary(app.primary_fails)])
        text = f"nobody knows whether {verdict.path} can take {verdict.app}: {told}. Treat it as not ready."
    if verdict.primary_baseline:
        text += f" {sentence(verdict.primary_baseline)}"
    if verdict.mode is Mode.OBSERVE and verdict.word is not Word.READY:
        text += " Mode observe: this would block, and gates nothing."
    return text


def _counted(verdict: Verdict) -> str:
    """How many pairs block; where all pass and the app as a whole does not, what keeps it from ready."""
    counts = [f"{verdict.failing} fail"] if verdict.failing else []
    counts += [f"{verdict.unknown} unknown"] if verdict.unknown else []
    if not counts and verdict.passing:
        return f"{_passing(verdict)}, kept from it by {', '.join(verdict.reasons)}"
    return f"{', '.join(counts) or 'nothing judged'} of {plural(verdict.pairs, 'pair')}"


def _passing(verdict: Verdict) -> str:
    return f"{verdict.passing} of {plural(verdict.pairs, 'pair')} pass"


def _beside(app: AppReport) -> list[str]:
    """What does not block, so that nobody reads "all pass" beside rows that say fail."""
    told = [plural(count, word) for count, word in ((app.warnings, "warning"), (app.infos, "info")) if count]
    return [*told, *_of_primary(app.primary_fails)]


def _of_primary(fails: int) -> list[str]:
    return [f"{plural(fails, 'fail')} of the primary alone"] if fails else []


def _exit(report: Report, code: int) -> str:
    """The exit code; where it is 1 and no verdict says NOT READY, the reason with it."""
    if code != ExitCode.DRIFT or any(verdict.word is Word.NOT_READY for verdict in report.verdicts):
        return f"Exit {code}."
    of_primary = _of_primary(sum(app.primary_fails for app in report.apps))
    return f"Exit {code}: {of_primary[0]}." if of_primary else f"Exit {code}, as --fail-on asks."


def verdict_lines(report: Report, exit_code: int) -> list[tuple[Word, str]]:
    """(word, line) per app, the worst last; the exit code, with its reason if no verdict is it, ends the last line."""
    order = (Word.READY, Word.UNKNOWN, Word.NOT_READY)
    apps = sorted(report.apps, key=lambda app: order.index(app.verdict.word))
    lines = [(app.verdict.word, f"{WORDS[app.verdict.word]:<9}  {verdict_sentence(app)}") for app in apps]
    if not lines:
        lines = [(Word.UNKNOWN, "UNKNOWN    no app was judged. Treat every path as not ready.")]
    word, text = lines[-1]
    return [*lines[:-1], (word, f"{text} {_exit(report, exit_code)}")]


def final_step(report: Report) -> str:
    """The one command to type now: of the worst finding, or to publish what is ready."""
    open_ones = [finding for finding in report.findings if finding.state in _OPEN]
    if open_ones:
        worst = min(open_ones, key=lambda f: (list(Severity).index(f.severity), _OPEN.index(f.state)))
        commands = [step for step in worst.next if _COMMAND.fullmatch(step)]
        return commands[0] if commands else f"nhisync explain {worst.code}"
    if report.verdicts and all(verdict.word is Word.READY for verdict in report.verdicts):
        return "nhisync serve   (publish it to the DNS controllers)"
    lost = next((path.name for path in report.paths for source in path.sources if source.error), "")
    blocked = next((verdict.app for verdict in report.verdicts if verdict.word is not Word.READY), "")
    if blocked and not lost:  # what blocks is not among the findings that were asked for
        return f"nhisync diff {report.primary} {report.backup} --app {blocked}"
    return f"nhisync doctor {lost}".rstrip()


def shown(findings: Iterable[Finding], options: RenderOptions) -> list[Finding]:
    """What a person asked to see."""
    hidden = {State.PASS: not options.show_passing, State.WAIVED: not options.show_waived}
    return [finding for finding in findings if not hidden.get(finding.state, False)]


def of_app(report: Report, app: AppReport) -> list[Finding]:
    """The findings of one app against one backup path."""
    several = sum(other.app == app.app for other in report.apps) > 1
    mine = (f for f in report.findings if f.app == app.app)
    return [f for f in mine if not several or f.path in {"", app.backup, app.primary}]


def not_shown(app: AppReport, findings: Sequence[Finding], options: RenderOptions) -> list[str]:
    """Remarks on what the table leaves out."""
    remarks = []
    touched = {f.pair for f in findings if f.state is not State.PASS}
    blocking = {f.pair for f in findings if f.state in _OPEN and f.severity is Severity.ERROR and f.pair}
    passing = max(0, app.verdict.passing - len(touched - blocking - {""}))
    if passing and not options.show_passing:
        remarks.append(f"{plural(passing, 'passing pair')} not shown (--show-passing)")
    waived = sum(f.state is State.WAIVED for f in findings)
    if waived and not options.show_waived:
        remarks.append(f"{plural(waived, 'waived finding')} not shown (--show-waived)")
    return remarks


@dataclass(frozen=True, slots=True)
class Explanation:
    """One numbered remark below a table.

    Attributes:
        label: the pair, and how many more share the remark.
        text: what was seen, what was wanted, why it hurts.
        step: what to do.
    """

    label: str
    text: str
    step: str


def explanations(findings: Iterable[Finding], options: RenderOptions) -> list[Explanation]:
    """One remark per cause: pairs with the same code, kind of next step and waiver share it."""
    groups: dict[tuple[str, State, str, str], list[Finding]] = {}
    for finding in findings:
        if finding.state in _OPEN:
            step = (finding.next or ("",))[0]
            neutral = step.replace(finding.pair, "*") if finding.pair else step
            groups.setdefault((finding.code, finding.state, neutral, finding.waiver), []).append(finding)
    reasons = options.verbose or len(groups) <= REASONS
    return [_explanation(group, options, reasons=reasons) for group in groups.values()]


def _explanation(group: Sequence[Finding], options: RenderOptions, *, reasons: bool) -> Explanation:
    first = group[0]
    more = len({f.pair for f in group}) - 1
    rule = options.rules.get(first.code) if reasons else None
    parts = [
        sentence(first.observed) or sentence(first.title),
        wanted(first),
        rule.hurts if rule and first.state is State.FAIL else "",
        sentence(first.waiver),
        ""
        if first.severity is not Severity.ERROR or first.state is State.FAIL
        else "It cannot be judged, so it blocks.",
    ]
    return Explanation(
        label=(first.pair or first.app) + (f" and {more} more" if more > 0 else ""),
        text=" ".join(part for part in parts if part),
        step=(first.next or (f"nhisync explain {first.code}",))[0],
    )
