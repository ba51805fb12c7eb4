"""Provider ``postgres`` without a server: settings, comments, wording of errors, printed grants."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nhisync.spi import AccessMode, ErrorKind, Locator, Presence
from nhisync_postgres.errors import translate
from nhisync_postgres.items import Cluster, Note, item_of
from nhisync_postgres.permissions import documents, identifier, literal
from nhisync_postgres.settings import PostgresSettings

AUTH = {"method": "password", "user": "nhisync", "password_file": "password"}
GOOD: dict[str, Any] = {"provider": "postgres", "host": "db.eu-north.example", "auth": AUTH}


def settings(**more: Any) -> PostgresSettings:
    """A good source, changed."""
    return PostgresSettings.model_validate({**GOOD, **more})


def test_the_server_is_verified_unless_said_otherwise() -> None:
    """Chain and name are checked by default; no mode encrypts without checking."""
    assert settings().sslmode == "verify-full"
    for loose in ("require", "prefer", "allow"):
        with pytest.raises(ValidationError):
            settings(sslmode=loose)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"host": "a.example,b.example"}, "one name"),
        ({"host": "/run/postgresql"}, "knows no TLS"),
        ({"auth": {"method": "peer", "user": "nhisync"}}, "socket folder"),
        ({"sslmode": "verify-ca"}, "needs ca_file"),
        (
            {
                "sslmode": "disable",
                "auth": {"method": "certificate", "user": "n", "certificate_file": "c", "key_file": "k"},
            },
            "needs TLS",
        ),
        ({"port": 0}, "greater than or equal to 1"),
        ({"connect_timeout": "0s"}, "longer than zero"),
    ],
)
def test_what_cannot_work_is_refused_at_load(change: dict[str, Any], word: str) -> None:
    """Impossible combinations are mistakes of the file, and say what to set."""
    with pytest.raises(ValidationError, match=word):
        settings(**change)


@pytest.mark.parametrize(
    "host",
    [
        "postgres://u:canary-pw@h/db",
        "u:canary-pw@h",
        "canary-pw@h",
        "db.example:5432",
        "[::1]",
        "a b",
        "",
        "@canary",
        "a\nb",
    ],
)
def test_a_host_that_could_hold_a_password_is_refused(host: str) -> None:
    """A pasted URL is the usual mistake, and a host is named in every error: it is refused, and not repeated."""
    with pytest.raises(ValidationError) as told:
        settings(host=host)
    assert "canary" not in "".join(str(one["msg"]) for one in told.value.errors())


@pytest.mark.parametrize(
    "host", ["db.example", "db_1", "10.0.0.7", "::1", "fe80::1%eth0", "bücher.example", "db.example."]
)
def test_names_and_addresses_are_hosts(host: str) -> None:
    """Whether there is such a host is found by asking."""
    assert settings(host=host).host == host


def test_a_comment_carries_owner_name_and_age() -> None:
    """Words of nhisync are read among others; an instant needs a zone."""
    note = Note.parse("ledger nhisync:owner=payments-oncall nhisync:name=ledger nhisync:rotated=2026-11-01T03:00:00Z")
    assert note == Note(owner="payments-oncall", name="ledger", rotated=datetime(2026, 11, 1, 3, tzinfo=UTC))
    assert Note.parse("nhisync:rotated=2026-11-01T03:00:00").rotated is None
    assert Note.parse(None) == Note()


def test_a_word_said_twice_is_not_said() -> None:
    """Two ages or two owners are ambiguous, so none is believed."""
    assert Note.parse("nhisync:owner=a nhisync:owner=b") == Note()


@given(st.text())
def test_any_comment_can_be_read(comment: str) -> None:
    """No comment breaks the run, and what is read stood in it."""
    note = Note.parse(comment)
    assert note.owner in comment
    assert (note.name or "") in comment


@given(st.text(min_size=1).filter(lambda name: "\0" not in name))
def test_identifiers_and_literals_end_where_they_should(name: str) -> None:
    """Quotes inside are doubled or escaped, so no name leaves its quotes."""
    assert identifier(name)[1:-1].replace('""', "") == name.replace('"', "")
    inside = literal(name)[2:-1].replace("\\\\", "").replace("\\'", "")
    assert "'" not in inside
    assert "\\" not in inside


@given(st.text(), st.none() | st.from_regex(r"[0-9A-Z]{5}", fullmatch=True))
def test_no_failure_means_absent_and_no_text_is_passed_on(text: str, state: str | None) -> None:
    """Whatever the server says, an error is typed, carries a fix, and never says that a role is absent."""
    marked = f"canary-4711 {text}"
    error = translate(state, marked, "db:5432", principal="nhisync", database="app")
    assert error.presence is not Presence.ABSENT
    assert error.fix
    assert "canary-4711" not in f"{error} {error.fact}"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('FATAL:  password authentication failed for user "nhisync"', ErrorKind.AUTH_FAILED),
        ('FATAL:  no pg_hba.conf entry for host "192.0.2.1"', ErrorKind.AUTH_FAILED),
        ("FATAL:  sorry, too many clients already", ErrorKind.THROTTLED),
        ('FATAL:  permission denied for database "app"', ErrorKind.DENIED),
        ("FATAL:  the database system is starting up", ErrorKind.UNREACHABLE),
        ('FATAL:  database "app" does not exist', ErrorKind.MISCONFIGURED),
        ("SSL error: certificate verify failed", ErrorKind.UNREACHABLE),
        ("ein Text in einer anderen Sprache", ErrorKind.UNREACHABLE),
    ],
)
def test_wording_of_refusals(text: str, kind: ErrorKind) -> None:
    """While a connection is made there is no SQLSTATE; unknown wording is UNREACHABLE, never something better."""
    assert translate(None, text, "db:5432", principal="nhisync", database="app").kind is kind


def test_grants_for_each_mode() -> None:
    """Read holds no power, probe one line a role, rotate one more attribute, fingerprint nothing."""
    wanted = (Locator("db", "role", 'pay"ments'),)
    (read,) = documents(settings(), AccessMode.READ, wanted)
    assert "pg_authid" not in read.text
    assert "CREATEROLE" not in read.text
    (probe,) = documents(settings(), AccessMode.PROBE, wanted)
    assert probe.text.splitlines()[1:] == ['GRANT CONNECT ON DATABASE "postgres" TO "pay""ments";']
    rotate, newer = documents(settings(), AccessMode.ROTATE, wanted)
    assert set(rotate.actions) - set(read.actions) == {"CREATEROLE"}
    assert newer.text.splitlines()[1:] == ['GRANT "pay""ments" TO "nhisync" WITH ADMIN OPTION;']
    assert documents(settings(), AccessMode.FINGERPRINT, wanted) == ()


ROW = {
    "oid": 16390,
    "name": "app",
    "login": True,
    "until": None,
    "ended": None,
    "comment": None,
    "connections": -1,
    **dict.fromkeys(("superuser", "createrole", "createdb", "replication", "bypassrls"), False),
}
NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)


def logins(endpoint: str, identifier: str | None) -> set[str]:
    """Login ids of one role."""
    cluster = Cluster(identifier=identifier, standby=False, replayed=None, endpoint=endpoint, observed_at=NOW)
    return {one.value for one in item_of(Locator("db", "role", "app"), ROW, cluster, None).ids}


def test_one_account_behind_two_names_is_told() -> None:
    """The cluster's identifier makes one login id, so that two host names or a restored copy are a shared target."""
    assert logins("a.example:5432", "77") & logins("b.example:6432", "77") == {"postgres:77/app"}
    assert logins("a.example:5432", "77") == {"a.example/app", "postgres:77/app"}


@pytest.mark.parametrize("host", ["127.0.0.1", "/run/postgresql", "db.example", "::1"])
def test_two_ports_of_one_host_are_two_servers(host: str) -> None:
    """Behind two tunnels, or as two clusters of one machine, one name is two accounts; letter case makes no third."""
    assert not logins(f"{host}:5432", "77") & logins(f"{host}:5433", "78")
    assert logins(f"{host.upper()}:5433", None) == logins(f"{host}:5433", None) == {f"{host}:5433/app"}
