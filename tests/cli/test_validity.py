"""What the formats promise to their readers, judged by readers that are not ours."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
from junitparser import JUnitXml

from nhisync.cli.output import RenderOptions, render
from nhisync.cli.output.sarif import fingerprint, rule_of
from nhisync.cli.output.schema import report_schema
from nhisync.model import Report, Severity, State

DATA = Path(__file__).parent / "data"
CHECKER = Path(sys.executable).with_name("check-jsonschema")
ZULU = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff]")


def text_of(report: Report, fmt: str, options: RenderOptions | None = None) -> str:
    """`report` in `fmt`."""
    return "".join(render(report, fmt, options=options))


def closed(schema: Any) -> Any:
    """The same schema with every object closed, so that document and schema are compared in both directions."""
    if isinstance(schema, dict):
        inner = {key: closed(value) for key, value in schema.items()}
        return {**inner, "additionalProperties": False} if schema.get("type") == "object" else inner
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


def instants(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value below a key that names an instant."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from instants(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from instants(inner, key)
    elif key.endswith(("_at", "_until", "since", "oldest", "as_of")):
        yield key, value


def test_json_fits_its_schema_by_an_independent_program(
    reports: dict[str, Callable[[], Report]], tmp_path: Path
) -> None:
    """check-jsonschema accepts every report, and the closed schema knows every key that is written."""
    for name, schema in (("open", report_schema()), ("closed", closed(report_schema()))):
        (tmp_path / f"{name}.schema.json").write_text(json.dumps(schema), encoding="utf-8")
    files = []
    for name, maker in reports.items():
        file = tmp_path / f"{name}.json"
        file.write_text(text_of(maker(), "json"), encoding="utf-8")
        files.append(str(file))
    for name in ("open", "closed"):
        command = [str(CHECKER), "--schemafile", str(tmp_path / f"{name}.schema.json"), *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_schema_refuses_a_wrong_word(reports: dict[str, Callable[[], Report]]) -> None:
    """A state outside the vocabulary does not pass the schema."""
    document = json.loads(text_of(reports["drift"](), "json"))
    document["findings"][0]["state"] = "maybe"
    with pytest.raises(jsonschema.ValidationError, match="maybe"):
        jsonschema.validate(document, report_schema())


def test_contract_keys_are_there(reports: dict[str, Callable[[], Report]]) -> None:
    """The keys of the contract exist under exactly these names; additions are additions."""
    document = json.loads(text_of(reports["drift"](), "json"))
    assert {
        "schema_version",
        "run_id",
        "generated_at",
        "expires_at",
        "policy_digest",
        "paths",
        "coverage",
        "findings",
        "verdicts",
    } <= set(document)
    assert {
        "code",
        "state",
        "severity",
        "app",
        "pair",
        "path",
        "title",
        "observed",
        "expected",
        "evidence",
        "next",
        "frameworks",
    } <= set(document["findings"][0])
    assert set(document["findings"][0]["evidence"][0]) == {"kind", "source", "evidence_at", "expires_at"}


def test_instants_are_zulu(named_report: tuple[str, Report]) -> None:
    """No instant is a number; each is RFC 3339 in UTC, whatever zone the value was in."""
    found = list(instants(json.loads(text_of(named_report[1], "json"))))
    assert found
    for key, value in found:
        assert value is None or ZULU.match(value), key
        assert value is None or datetime.fromisoformat(value).tzinfo is UTC, key


def test_jsonl_is_one_object_a_line(named_report: tuple[str, Report]) -> None:
    """Each line stands alone; the last one holds everything but the findings."""
    lines = [json.loads(line) for line in text_of(named_report[1], "jsonl").splitlines()]
    assert [line["type"] for line in lines] == ["finding"] * len(named_report[1].findings) + ["report"]
    assert {line["run_id"] for line in lines} == {named_report[1].run_id}
    assert lines[-1]["verdicts"] == json.loads(text_of(named_report[1], "json"))["verdicts"]


def test_sarif_fits_the_standard(named_report: tuple[str, Report]) -> None:
    """Every log fits the closed subset of SARIF 2.1.0, and its rule indexes lead to its rules."""
    log = json.loads(text_of(named_report[1], "sarif", RenderOptions(exit_code=1)))
    jsonschema.validate(log, json.loads((DATA / "sarif-subset.json").read_text(encoding="utf-8")))
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({result["ruleId"] for result in run["results"]})
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    named = {taxonomy["name"] for taxonomy in run["taxonomies"]}
    assert {entry["toolComponent"]["name"] for result in run["results"] for entry in result["taxa"]} <= named


def test_sarif_holds_what_needs_work(reports: dict[str, Callable[[], Report]]) -> None:
    """Fails and unknowns only, unknowns under the evidence family, with the line of the pair and the exit code."""
    report = reports["drift"]()
    run = json.loads(text_of(report, "sarif", RenderOptions(exit_code=1)))["runs"][0]
    assert [r["ruleId"] for r in run["results"]] == ["NHS801", "NHS201", "NHS902", "NHS900"]
    assert {r["kind"] for r in run["results"]} == {"fail"}
    assert run["results"][0]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "nhisync.yaml"},
        "region": {"startLine": 31},
    }
    assert (
        run["results"][0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "payments/stripe-api@backup"
    )
    assert run["invocations"][0]["exitCode"] == 1
    assert run["invocations"][0]["executionSuccessful"] is True


def test_sarif_fingerprints_ignore_time(reports: dict[str, Callable[[], Report]]) -> None:
    """The same finding a day later is the same alert; another pair, code or path is another one."""
    first = reports["drift"]().findings[0]
    assert first.since is not None
    later = replace(first, since=first.since + timedelta(days=1), observed="still refused", evidence=())
    assert fingerprint(first) == fingerprint(later)
    others = {fingerprint(replace(first, **{key: "x"})) for key in ("app", "pair", "code", "path")}
    assert len(others | {fingerprint(first)}) == 5


def test_unknown_of_any_rule_is_reported_as_unjudged(reports: dict[str, Callable[[], Report]]) -> None:
    """Only the evidence family keeps its own code for unknowns in SARIF."""
    drift = reports["drift"]().findings
    assert rule_of(replace(drift[0], state=State.UNKNOWN)) == "NHS900"
    assert rule_of(drift[2]) == "NHS902"


def test_junit_fits_the_schema_and_parses(named_report: tuple[str, Report]) -> None:
    """The closed schema accepts the document and junitparser counts what the report holds."""
    report = named_report[1]
    text = text_of(report, "junit")
    xmlschema.XMLSchema(str(DATA / "junit-subset.xsd")).validate(text)
    parsed = JUnitXml.fromstring(text.encode())
    blocking = [f for f in report.findings if f.severity is Severity.ERROR]
    fails = sum(f.state is State.FAIL for f in blocking) + sum(v.word == "not_ready" for v in report.verdicts)
    errors = sum(f.state is State.UNKNOWN for f in blocking) + sum(v.word == "unknown" for v in report.verdicts)
    assert (parsed.tests, parsed.failures, parsed.errors) == (
        len(report.findings) + len(report.apps),
        fails,
        errors,
    )


def test_junit_trap_is_caught(reports: dict[str, Callable[[], Report]]) -> None:
    """An attribute that Jenkins' schema refuses on testsuites is refused by ours too."""
    text = text_of(reports["drift"](), "junit").replace("<testsuites ", '<testsuites skipped="1" ', 1)
    assert not xmlschema.XMLSchema(str(DATA / "junit-subset.xsd")).is_valid(text)


def test_junit_red_follows_fail_on(reports: dict[str, Callable[[], Report]]) -> None:
    """A warning turns the build red only when --fail-on counts warnings."""
    report = reports["drift"]()
    counted = RenderOptions(counted=frozenset({Severity.ERROR, Severity.WARNING}))
    errors = [JUnitXml.fromstring(text_of(report, "junit", o).encode()).errors for o in (RenderOptions(), counted)]
    assert errors == [1, 2]


def test_plain_is_a_fixed_number_of_columns(named_report: tuple[str, Report]) -> None:
    """Every finding has the same columns, whatever its texts hold."""
    lines = text_of(named_report[1], "plain").splitlines()
    assert {line.split("\t")[0]: line.count("\t") for line in lines if line.startswith("finding")} in (
        {"finding": 13},
        {},
    )
    assert sum(line.startswith("verdict\t") for line in lines) == len(named_report[1].apps)


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("fmt", ["table", "plain", "json", "jsonl", "sarif", "junit", "ocsf", "markdown", "html"])
def test_hostile_text_is_inert(reports: dict[str, Callable[[], Report]], fmt: str, terminal: bool) -> None:
    """No control character, no bidirectional control and no surrogate of a name reaches any reader."""
    options = RenderOptions(show_waived=True, terminal=terminal, width=90)
    text = text_of(reports["hostile"](), fmt, options)
    assert UNSAFE.search(text) is None
    text.encode("utf-8")


def test_hostile_text_is_no_markup(reports: dict[str, Callable[[], Report]], hostile_text: str) -> None:
    """HTML, Markdown and rich markup in a name is shown, not obeyed."""
    report = reports["hostile"]()
    assert "<script>" not in text_of(report, "html")
    rows = [line for line in text_of(report, "markdown").splitlines() if line.startswith("| **")]
    assert rows
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 7
    outside_code = re.sub(r"`[^`]*`", "", text_of(report, "markdown").replace(r"\`", ""))
    assert "<script>" not in outside_code
    assert "@team" not in outside_code
    colored = text_of(report, "table", RenderOptions(terminal=True, color=True, width=200))
    assert "[bold]" in colored


def test_color_repeats_words(reports: dict[str, Callable[[], Report]]) -> None:
    """Without its colours the terminal's text is the same text."""
    report = reports["drift"]()
    colored = text_of(report, "table", RenderOptions(terminal=True, color=True, width=100))
    plain = text_of(report, "table", RenderOptions(terminal=True, width=100))
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_terminal_table_loses_nothing(reports: dict[str, Callable[[], Report]], width: int) -> None:
    """On a terminal text wraps; nothing is cut and no ellipsis appears at any width."""
    text = text_of(reports["drift"](), "table", RenderOptions(terminal=True, width=width))
    assert "…" not in text
    squeezed = re.sub(r"\s+", "", text)
    for word in ("stripe-api", "ledger-db", "NHS902", "NOTREADY", "Exit0."):
        assert word in squeezed
    assert text.rstrip().splitlines()[-1] == "Next: nhisync plan payments --pair stripe-api --out p.json"


def test_piped_table_is_one_line_a_finding(reports: dict[str, Callable[[], Report]]) -> None:
    """In a pipe the longest name stays whole on its finding's one line."""
    report = reports["drift"]()
    long = "x" * 400
    findings = tuple(replace(f, pair=f"{f.pair}-{long}") for f in report.findings[:3])
    rows = [
        line
        for line in text_of(replace(report, findings=findings), "table").splitlines()
        if re.match(r"(FAIL|UNKNOWN) +NHS", line)
    ]
    assert len(rows) == 3
    assert all(long in row for row in rows)


def test_verdict_and_next_command_stand_last(named_report: tuple[str, Report]) -> None:
    """The literal verdict and the next command are the last two lines for a person."""
    *_, verdict, step = text_of(named_report[1], "table", RenderOptions(exit_code=3)).splitlines()
    assert re.match(r"(READY|NOT READY|UNKNOWN) ", verdict)
    assert verdict.endswith("Exit 3.")
    assert step.startswith("Next: nhisync ")


def test_equal_causes_share_one_explanation(reports: dict[str, Callable[[], Report]]) -> None:
    """Fourteen pairs that fail for one reason get one remark, and fourteen rows."""
    text = text_of(reports["blind"](), "table")
    assert "1. stripe-api and 13 more" in text
    assert "\n2. " not in text
    assert text.count("UNKNOWN  NHS903") == 14


def test_passing_and_waived_are_shown_on_request(reports: dict[str, Callable[[], Report]]) -> None:
    """Waived findings are hidden and counted until they are asked for."""
    report = reports["drift"]()
    hidden, shown = text_of(report, "table"), text_of(report, "table", RenderOptions(show_waived=True))
    assert "1 waived finding not shown (--show-waived)" in hidden
    assert "WAIVED" not in hidden
    assert re.search(r"^WAIVED +NHS602 +api-tls", shown, re.MULTILINE)
    assert "PASS" in text_of(reports["ready"](), "table", RenderOptions(show_passing=True))


@pytest.mark.requirement("R8", "R7", "R21")
def test_report_has_both_views(reports: dict[str, Callable[[], Report]]) -> None:
    """Owner, consequence class and every layer of equivalence are in the report, asked or not."""
    report = reports["drift"]()
    document = json.loads(text_of(report, "json"))
    assert document["apps"][0]["owner"] == "payments-oncall"
    assert {finding["consequence"] for finding in document["findings"]} <= {"outage", "inconsistency", "exposure"}
    layers = [layer["layer"] for layer in document["apps"][0]["layers"]]
    assert layers == ["exists", "fresh", "independent", "authorised", "chain", "dependencies", "live", "transaction"]
    line = next(line for line in text_of(report, "table").splitlines() if line.startswith("layers:"))
    assert all(layer in line for layer in layers)
