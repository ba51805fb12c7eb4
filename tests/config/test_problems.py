"""One wrong thing at a time: the message, its place, its suggestion. And the form in which all are shown."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nhisync.config import render_problems
from nhisync.config.problems import Mark, Report, dotted
from nhisync.errors import ConfigurationError, Problem

from .conftest import SMALL

Find = Callable[..., tuple[Problem, ...]]

PAIR = '{name: stripe-api, kind: api-key, primary: "vault:kv/secret/stripe#key", backup: "aws:secret/stripe#key"}'
GOLDEN = Path(__file__).parent / "golden"

# what is replaced, by what, start of the message, suggestion
ONE_WRONG: dict[str, tuple[str, str, str, str]] = {
    "no version": ("version: 1\n", "", "`version` is missing", ""),
    "other version": ("version: 1", "version: 2", "version: `2` is not 1", ""),
    "version as text": ("version: 1", 'version: "1"', "version: must be 1 without quotes", ""),
    "unknown key": ("paths:", "pats:", "unknown key `pats`", "paths"),
    "no tier": ("    tier: critical\n", "", "apps.payments: `tier` is missing", ""),
    "unknown tier": (
        "critical",
        "crtical",
        "apps.payments.tier: `crtical` is not one of critical, high, standard",
        "critical",
    ),
    "unknown mode": ("critical", "critical\n    mode: watch", "apps.payments.mode: `watch` is not one of observe", ""),
    "app name": ("payments:", "Payments:", "apps.Payments: must be lower-case letters", ""),
    "signal in app name": ("payments:", "my-nhisync-ready:", "apps.my-nhisync-ready: must not contain", ""),
    "signal in path name": ("  backup:", "  NHISYNC-Ready:", "paths.NHISYNC-Ready: must not contain", ""),
    "path name": ("  backup:", "  back up:", "paths.back up: must be letters", ""),
    "source name": ("      aws:", "      AWS:", "paths.backup.sources.AWS: must be lower-case", ""),
    "no sources": ("    sources:\n      aws: {provider: aws}\n      edge: {provider: tls}", "    sources: {}",
                   "paths.backup.sources: must not be empty", ""),
    "no provider": ("{provider: aws}", "{region: x}", "paths.backup.sources.aws: `provider` is missing", ""),
    "provider typo": ("{provider: aws}", "{provder: aws}", "unknown key `provder` in paths.backup.sources.aws",
                      "provider"),
    "provider number": ("{provider: aws}", "{provider: 7}", "paths.backup.sources.aws.provider: must be text; put it",
                        ""),
    "fault domain": ("region: eu-north-1", "region: a\n    fault_domains: [aws]",
                     "paths.backup.fault_domains[0]: must be <provider>/<region>", ""),
    "role path": ("critical", "critical\n    roles: {primary: primry}",
                  "apps.payments.roles.primary: there is no path `primry`; paths are primary, backup", "primary"),
    "both roles": ("critical", "critical\n    roles: {backup: primary}",
                   "apps.payments.roles.backup: path `primary` has a role already", ""),
    "no backup": ("critical", "critical\n    roles: {backup: []}", "apps.payments.roles.backup: must not be empty", ""),
    "unknown source": ("vault:kv", "valt:kv",
                       "apps.payments.pairs[0].primary: path `primary` has no source `valt`; it has vault", "vault"),
    "source of the other path": ("aws:secret", "vault:secret",
                                 "apps.payments.pairs[0].backup: path `backup` has no source `vault`", ""),
    "no locator": ("vault:kv/secret/stripe#key", "secret", "apps.payments.pairs[0].primary: a locator starts", ""),
    "class": (PAIR, PAIR.replace("kind", "class: shard, kind"), "apps.payments.pairs[0].class: `shard` is not one of",
              "shared"),
    "shared without terms": (PAIR, PAIR.replace("kind", "class: shared, owner: me, kind"),
                             "apps.payments.pairs[0].class: a pair of class shared needs until, reason", ""),
    "exempt without terms": (PAIR, PAIR.replace("kind", "class: exempt, until: 2027-01-01, reason: x, kind"),
                             "apps.payments.pairs[0].class: a pair of class exempt needs owner", ""),
    "bad date": (PAIR, PAIR.replace("kind", "until: 15.12.2026, kind"),
                 "apps.payments.pairs[0].until: must be a date like", ""),
    "number as date": (PAIR, PAIR.replace("kind", "until: 20261215, kind"),
                       "apps.payments.pairs[0].until: must be a date like", ""),
    "no such day": (PAIR, PAIR.replace("kind", "until: 2026-02-30, kind"),
                    "apps.payments.pairs[0].until: is no day", ""),
    "same pair twice": (f"- {PAIR}", f"- {PAIR}\n      - {PAIR.replace('secret/', 'other/')}",
                        "apps.payments.pairs[1].name: `stripe-api` stands on line 17 already", ""),
    "same locator twice": (f"- {PAIR}", f"- {PAIR}\n      - {PAIR.replace('stripe-api', 'b').replace('aws:s', 'aws:')}",
                           "apps.payments.pairs[1].primary: apps.payments.pairs[0] names the same primary", ""),
    "probe type": (PAIR, PAIR.replace("kind", "probe: {type: htp}, kind"),
                   "apps.payments.pairs[0].probe.type: `htp` is not one of http, tls, tcp, postgres, redis,", "http"),
    "probe without target": (PAIR, PAIR.replace("kind", "probe: {type: http}, kind"),
                             "apps.payments.pairs[0].probe: a check of type http needs `url`", ""),
    "probe with other target": (PAIR, PAIR.replace("kind", "probe: {type: provider, address: 'a:1'}, kind"),
                                "apps.payments.pairs[0].probe.address: a check of type provider takes no", ""),
    "probe header": (PAIR, PAIR.replace("kind", "probe: {type: http, url: 'https://a', auth: header}, kind"),
                     "apps.payments.pairs[0].probe: `header` and `auth: header` belong together", ""),
    "duration without unit": (PAIR, PAIR.replace("kind", "probe: {type: provider, timeout: 5}, kind"),
                              "apps.payments.pairs[0].probe.timeout: a duration needs a number and a unit", ""),
    "endless duration": (PAIR, PAIR.replace("kind", "probe: {type: provider, timeout: 9999999999999999d}, kind"),
                         "apps.payments.pairs[0].probe.timeout: this duration is longer than anything", ""),
    "more than a century": (PAIR, PAIR.replace("kind", "probe: {type: provider, timeout: 36526d}, kind"),
                            "apps.payments.pairs[0].probe.timeout: is longer than a century (36525d)", ""),
    "no duration": (PAIR, PAIR.replace("kind", "probe: {type: provider, timeout: 0s}, kind"),
                    "apps.payments.pairs[0].probe.timeout: must be longer than zero", ""),
    "rotation word": (PAIR, PAIR.replace("kind", "rotate: {backup: automatic}, kind"),
                      "apps.payments.pairs[0].rotate.backup: `automatic` is not one of auto, manual", "auto"),
    "runbook": ("critical", "critical\n    runbook: wiki", "apps.payments.runbook: must be a URL", ""),
    "health role": ("critical", "critical\n    health: {bakup: {type: tcp, address: 'a:1'}}",
                    "apps.payments.health: `bakup` is neither a role nor a path", "backup"),
    "health target": ("critical", "critical\n    health: {backup: {type: tcp}}",
                      "apps.payments.health.backup: a check of type tcp needs `address`", ""),
    "serving address": ("critical", "critical\n    serving: {name: a, addresses: {backup: [localhost]}}",
                        "apps.payments.serving.addresses.backup[0]: must be an IP address", ""),
    "resolver": ("critical", "critical\n    serving: {name: a, resolvers: {internal: [dns.example]}}",
                 "apps.payments.serving.resolvers.internal[0]: must be an IP address", ""),
    "empty key": ("critical", "critical\n    owner:", "apps.payments.owner is empty; give it a value or remove it", ""),
    "empty section": ("apps:", "waivers:\napps:", "waivers is empty", ""),
    "environment": ("region: eu-north-1", "region: ${REGION}",
                    "paths.backup.region: `${…}` is not replaced, environment variables are not read", ""),
    "quoted number": ("version: 1", "version: 1\nlistener: {public_profile: 'yes'}",
                      "listener.public_profile: must be true or false", ""),
    "bind": ("version: 1", "version: 1\nlistener: {bind: 8443}", "listener.bind: must be text; put it in quotes", ""),
    "port": ("version: 1", "version: 1\nlistener: {bind: 'a:70000'}", "listener.bind: must be <address>:<port>", ""),
    "tls key": ("version: 1", "version: 1\nlistener: {tls: {cert: c}}", "listener.tls: `key` is missing", ""),
    "operator on a name that begins like loopback": (
        "version: 1", "version: 1\noperator: {bind: '127.ops.example:1', token_file: t}",
        "operator.bind: needs `tls`", ""),
    "operator without authentication": ("version: 1", "version: 1\noperator: {bind: '127.0.0.1:1'}",
                                        "operator: needs `token_file` or `tls.client_ca`", ""),
    "operator in the open": ("version: 1", "version: 1\noperator: {bind: '0.0.0.0:1', token_file: t}",
                             "operator.bind: needs `tls`", ""),
    "store": ("version: 1", "version: 1\nstore: {url: 'mysql://x/y'}", "store.url: must be sqlite:///<file>", ""),
    "memory store": ("version: 1", "version: 1\nstore: {url: 'sqlite:///:memory:'}", "store.url: must be sqlite", ""),
    "another user's home": ("version: 1", "version: 1\nsigning: {key_file: ~root/k}",
                            "signing.key_file: names another user's home", ""),
    "command": ("version: 1", "version: 1\npublish: {exec: {command: []}}", "publish.exec.command: must not be", ""),
    "no policies": ("version: 1", "version: 1\npolicies: ./none", "there is no such folder", ""),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "suggestion"), ONE_WRONG.values(), ids=ONE_WRONG.keys())
def test_one_wrong_thing(problems_of: Find, old: str, new: str, message: str, suggestion: str) -> None:
    """The first problem names the place and says what is wrong; near misses get the nearest word."""
    assert old in SMALL
    text = SMALL.replace(old, new, 1)
    found = [p for p in problems_of(text) if p.message.startswith(message)]
    assert found, [p.message for p in problems_of(text)]
    assert found[0].suggestion == suggestion


@pytest.mark.parametrize("case", ["unknown tier", "same pair twice", "unknown source", "duration without unit"])
def test_one_wrong_thing_is_one_problem(problems_of: Find, case: str) -> None:
    """Nothing follows from a problem that is already reported."""
    old, new, _, _ = ONE_WRONG[case]
    assert len(problems_of(SMALL.replace(old, new, 1))) == 1


def test_a_wrong_app_name_hides_nothing_below_it(problems_of: Find) -> None:
    """All problems at once: whoever mends the name does not meet the next ones in the next run."""
    text = (
        SMALL.replace("payments:", "Payments:", 1).replace("critical", "crtical", 1).replace("aws:secret", "awz:secret")
    )
    found = [problem.message for problem in problems_of(text)]
    assert [message.partition(":")[0] for message in found] == [
        "apps.Payments",
        "apps.Payments.tier",
        "apps.Payments.pairs[0].backup",
    ]


@pytest.mark.requirement("R37")
def test_there_is_no_default_tier(problems_of: Find) -> None:
    """An app without a tier is an error, never silently standard."""
    (problem,) = problems_of(SMALL.replace("    tier: critical\n", ""))
    assert problem.message == "apps.payments: `tier` is missing"


TEMPLATES = {
    "no name": ("vault:kv/{app}", "needs {name} exactly once"),
    "two names": ("vault:kv/{name}/{name}", "needs {name} exactly once"),
    "name in the field": ("vault:kv/x#{name}", "needs {name} exactly once"),
    "unknown placeholder": ("vault:kv/{nme}", "`{nme}` stands for nothing"),
    "unknown source": ("valt:kv/{name}", "has no source `valt`"),
}


@pytest.mark.parametrize(("template", "message"), TEMPLATES.values(), ids=TEMPLATES.keys())
def test_templates(problems_of: Find, template: str, message: str) -> None:
    """A template without exactly one {name} in its name would pair nothing, or everything."""
    text = SMALL.replace(
        "    pairs:", f'    match:\n      - {{kind: s, primary: "{template}", backup: "aws:s/{{name}}"}}\n    pairs:'
    )
    (problem,) = problems_of(text)
    assert message in problem.message
    assert problem.where == "apps.payments.match[0].primary"


def test_a_template_stands_once(problems_of: Find) -> None:
    """Two rules with the same template would make every pair twice."""
    rule = '      - {kind: s, primary: "vault:kv/{app}/{name}", backup: "aws:s/{name}"}\n'
    (one, two) = problems_of(SMALL.replace("    pairs:", f"    match:\n{rule}{rule}    pairs:"))
    assert "has the same template already" in one.message
    assert {one.where, two.where} == {"apps.payments.match[1].primary", "apps.payments.match[1].backup"}


def test_a_template_makes_no_shared_pairs(problems_of: Find) -> None:
    """Shared and exempt pairs are named one by one: each has its owner and its end."""
    rule = '      - {kind: s, class: shared, primary: "vault:kv/{name}", backup: "aws:s/{name}"}\n'
    (problem,) = problems_of(SMALL.replace("    pairs:", f"    match:\n{rule}    pairs:"))
    assert "is not independent" in problem.message


def test_the_same_item_is_no_pair(problems_of: Find) -> None:
    """Equal locators are fine on two clusters and an error where both sources are configured alike."""
    pair = SMALL.replace("vault:kv/secret/stripe#key", "edge:tls/a:1").replace("aws:secret/stripe#key", "edge:tls/a:1")
    assert problems_of(pair) == ()  # the regions differ
    alike = pair.replace("edge: {provider: tls}", "edge: {provider: tls, region: eu, limits: {calls: 1}}", 1).replace(
        "edge: {provider: tls}", "edge: {provider: tls, region: eu}"
    )
    (problem,) = problems_of(alike)
    assert "the same item of the same source" in problem.message


WAIVER = "waivers: [{pair: payments/stripe-api, code: NHS602, until: 2026-12-15, approved_by: a, reason: b}]\n"

WAIVERS = {
    "unknown pair": ("stripe-api", "stripe", "waivers[0].pair: there is no pair `payments/stripe`"),
    "unknown app": ("payments/", "paymnts/", "waivers[0].pair: there is no app `paymnts`"),
    "no app": ("payments/", "", "waivers[0].pair: must be <app>/<pair>"),
    "code": ("NHS602", "NH602", "waivers[0].code: must be a rule code like NHS201"),
    "unknown code": ("NHS602", "NHS699", "waivers[0].code: there is no rule `NHS699`"),
    "no reason": (", reason: b", "", "waivers[0]: `reason` is missing"),
    "no approver": ("approved_by: a", "approved_by: ''", "waivers[0].approved_by: must not be empty"),
}


@pytest.mark.parametrize(("old", "new", "message"), WAIVERS.values(), ids=WAIVERS.keys())
def test_waivers(problems_of: Find, old: str, new: str, message: str) -> None:
    """A waiver that fits nothing would be believed to hold."""
    (problem,) = problems_of(SMALL + WAIVER.replace(old, new), codes={"NHS602"})
    assert problem.message.startswith(message)


@pytest.mark.parametrize("code", ["NHS902", "NHS609", "NHS706"])
def test_a_waiver_that_could_never_take_effect_is_refused(problems_of: Find, code: str) -> None:
    """An unknown cannot be waived, so a code that is only ever unknown is a problem of the file (ADR 1)."""
    assert problems_of(SMALL + WAIVER) == ()
    (problem,) = problems_of(SMALL + WAIVER.replace("NHS602", code))
    assert problem.where == "waivers[0].code"
    assert problem.message.startswith(f"waivers[0].code: `{code}` is never a failure, only unknown, and an unknown")
    assert "class: exempt" in problem.message


def test_waivers_may_name_pairs_of_templates(problems_of: Find) -> None:
    """Which pairs a template makes is only known after an inventory."""
    rule = '      - {kind: s, primary: "vault:kv/{app}/{name}", backup: "aws:s/{name}"}\n'
    text = SMALL.replace("    pairs:", f"    match:\n{rule}    pairs:") + WAIVER.replace("stripe-api", "from-template")
    assert problems_of(text) == ()


def test_problems_of_policies_come_with_those_of_the_configuration(problems_of: Find, tmp_path: Path) -> None:
    """One run shows everything; a tier whose file is broken is not reported as unknown."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/gold.yaml").write_text("version: 1\ntier: gold\nlockstp: {}\n")
    text = SMALL.replace("critical", "gold").replace("version: 1", "version: 1\npolicies: policies\nstor: {}")
    found = problems_of(text)
    assert [problem.message.partition("`")[2].partition("`")[0] for problem in found] == ["stor", "lockstp"]


def test_a_broken_path_does_not_hide_its_sources(problems_of: Find) -> None:
    """Names of an unusable path still count, so that only true problems are shown."""
    found = problems_of(SMALL.replace("region: eu-north-1", "regon: eu-north-1"))
    assert [problem.message for problem in found] == ["unknown key `regon` in paths.backup"]


def test_the_form_of_all_problems_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person sees, byte by byte: place, what, nearest word, line, caret, count, promise."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nhisync.yaml").write_text((GOLDEN / "many.yaml").read_text())
    from nhisync.config import load

    with pytest.raises(ConfigurationError) as caught:
        load(Path("nhisync.yaml"), codes={"NHS602"})
    assert render_problems(caught.value) + "\n" == (GOLDEN / "many.txt").read_text()


def test_one_problem_is_not_two() -> None:
    """Number and noun agree; a problem of the file itself has no line; the fix stands before the count."""
    error = ConfigurationError((Problem(file="f", line=0, column=0, where="", message="is gone"),), fix="Write one.")
    assert render_problems(error) == "f  is gone.\nWrite one.\n1 problem. Nothing was contacted. Exit 2."


def test_carets_stand_below_what_is_meant() -> None:
    """Long lines are cut, far columns show no line, tabs and control characters do not move the caret."""
    report = Report("f", ("a: " + "x" * 300, "b:\tc\x1b"))
    report.add(Mark(1, 4), "a", "is long")
    report.add(Mark(1, 200), "a", "is far")
    report.add(Mark(2, 4), "b", "has a tab")
    long, far, tab = report.problems()
    assert len(long.excerpt) == 160
    assert far.excerpt == ""
    assert tab.excerpt == "b: c?"


def test_dotted_places() -> None:
    """Keys and indexes read like a path in the document."""
    assert dotted(("apps", "a", "pairs", 0, "kind")) == "apps.a.pairs[0].kind"
    assert dotted(()) == ""


def test_two_things_wrong_in_one_entry_are_told_at_once(problems_of: Find) -> None:
    """A wrong class does not hide a wrong probe of the same pair, a wrong date not a code that no waiver can have."""
    entry = PAIR.replace("kind", "class: shard, probe: {type: htpp}, kind")
    waiver = "waivers: [{pair: payments/stripe-api, code: NHS902, until: soon, approved_by: a, reason: b}]\n"
    places = {problem.where for problem in problems_of(SMALL.replace(PAIR, entry) + waiver)}
    assert places == {
        "apps.payments.pairs[0].class",
        "apps.payments.pairs[0].probe.type",
        "waivers[0].code",
        "waivers[0].until",
    }
