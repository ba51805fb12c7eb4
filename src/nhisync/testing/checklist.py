"""Did the world show what was planted, and nothing else?"""

from collections.abc import Iterator

from nhisync.model import Report, State
from nhisync.testing.scenario import PlannedApp, Scenario


def discrepancies(scenario: Scenario, report: Report) -> Iterator[str]:
    """One sentence per difference between plan and report; none = everything planted was found and nothing else.

    Works on a report over all apps without filters. A finding that was planted as `waived` must be waived.
    """
    found: dict[str, dict[str, str]] = {}
    for finding in report.findings:
        if finding.state is not State.PASS:
            found.setdefault(finding.key, {})[finding.code] = finding.state.value
    verdicts = {verdict.app: verdict.word.value for verdict in report.verdicts}
    for app in scenario.apps:
        yield from _app(app, found, verdicts.get(app.name, "missing"))
    planned = {f"{app.name}/{pair.name}" for app in scenario.apps for pair in app.pairs}
    planned |= {app.name for app in scenario.apps}
    for key in sorted(found.keys() - planned):
        yield f"{key}: reported although nothing was planted there: {_words(found[key])}"


def _app(app: PlannedApp, found: dict[str, dict[str, str]], verdict: str) -> Iterator[str]:
    if verdict != app.verdict:
        yield f"{app.name}: the verdict is {verdict}, planned was {app.verdict}"
    expectations = {app.name: dict(app.expects), **{f"{app.name}/{p.name}": dict(p.expects) for p in app.pairs}}
    for key, expected in expectations.items():
        seen = found.get(key, {})
        lost = {code: state for code, state in expected.items() if seen.get(code) != state}
        extra = {code: state for code, state in seen.items() if code not in expected}
        if lost:
            yield f"{key}: planted but not found: {_words(lost)}"
        if extra:
            yield f"{key}: found but not planted: {_words(extra)}"


def _words(states: dict[str, str]) -> str:
    return ", ".join(f"{code} {state}" for code, state in sorted(states.items()))
