"""Real DNS servers poll a real `nhisync serve`: who is led where, and who never is.

The primary answers as 127.0.0.1, the backup as 127.0.0.2. A client may be led to the backup in exactly one case: the
primary's own health check fails and the backup's signal says ready. Silence of nhisync never leads anyone there.
"""

import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PRIMARY, BACKUP = "127.0.0.1", "127.0.0.2"

PDNS_CONF = """
daemon=no
guardian=no
write-pid=no
launch=bind
bind-config={folder}/named.conf
local-address=127.0.0.1
local-port={port}
socket-dir={folder}
enable-lua-records=yes
lua-health-checks-interval=1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
security-poll-suffix=
"""

PDNS_NAMED = (
    'options {{ directory "{folder}"; }};\nzone "failover.test" {{ type native; file "failover.test.zone"; }};\n'
)

PDNS_ZONE = """
$ORIGIN failover.test.
$TTL 5
@    IN SOA ns1 hostmaster 1 3600 600 86400 5
@    IN NS  ns1
ns1  IN A   127.0.0.1
; A URL is up when it answers 200 (and holds `want`): asked under two addresses, `all` gives both back.
lib  IN LUA LUA ( "function isup(url, want) "
                  "  local o = {{timeout='1', selector='all'}} "
                  "  if want then o['stringmatch'] = want end "
                  "  return #ifurlextup({{{{['192.0.2.1']=url, ['192.0.2.2']=url}}}}, o) == 2 "
                  "end" )
; Both are asked every time, so that neither check goes cold.
www  IN LUA A   ( ";include('lib') "
                  "local app = isup('http://127.0.0.1:{health}/healthz') "
                  "local ready = isup('http://127.0.0.1:{signal}/v1/ready/payments/backup', 'NHISYNC-READY') "
                  "if ready and not app then return '127.0.0.2' end "
                  "return '127.0.0.1'" )
"""

GDNSD_CONFIG = """
options => {{
  listen => [ 127.0.0.1:{port} ]
  run_dir => {folder}/run
  state_dir => {folder}/state
  udp_threads => 1
  tcp_threads => 1
}}
service_types => {{
  app => {{
    plugin => http_status  port => {health}  url_path => /healthz  ok_codes => [ 200 ]
    interval => 2  timeout => 1  up_thresh => 1  ok_thresh => 1  down_thresh => 1
  }}
  # No vhost: the request is HTTP/1.0 without Host. A backup that is not ready puts both addresses down, and simplefo
  # then answers with the primary.
  ready => {{
    plugin => http_status  port => {signal}  url_path => /v1/ready/payments/backup  ok_codes => [ 200 ]
    interval => 2  timeout => 1  up_thresh => 1  ok_thresh => 1  down_thresh => 1
  }}
}}
plugins => {{ simplefo => {{ www => {{
  service_types => [ app, ready ]  primary => 127.0.0.1  secondary => 127.0.0.2
}} }} }}
"""

GDNSD_ZONE = """
@    SOA ns1 hostmaster 1 3600 600 86400 60
@    NS  ns1
ns1  A   127.0.0.1
www  5/1 DYNA simplefo!www
"""


class Dns:
    """A running DNS server and a client of it."""

    def __init__(self, server: Any, port: int, dig: str, wait_until: Callable[..., None]) -> None:
        self._server, self._port, self._dig, self._wait = server, port, dig, wait_until

    def answer(self) -> str:
        """The address a client gets now; "" = none."""
        command = [self._dig, "+short", "+tries=1", "+time=2", "@127.0.0.1", "-p", str(self._port)]
        done = subprocess.run(
            [*command, "www.failover.test", "A"], capture_output=True, text=True, timeout=10, check=False
        )
        assert self._server.alive, self._server.told()
        return done.stdout.strip() if done.returncode == 0 else ""

    def leads_to(self, address: str) -> None:
        """Wait until clients are led to `address`."""
        self._wait(lambda: self.answer() == address, f"the DNS server answers {address}")

    def keeps(self, address: str, rounds: Callable[[int], None]) -> None:
        """Clients are led to `address` now and after each of three more rounds of polls."""
        for _ in range(3):
            assert self.answer() == address
            rounds(2)
        assert self.answer() == address


@pytest.fixture
def powerdns(
    private: Any, free_port: int, health: Any, nhisync: Any, find_program: Any, took_part: Any, wait_until: Any
) -> Dns:
    """PowerDNS Authoritative Server with a LUA record that wants both: app down, backup ready."""
    pdns, dig = find_program("pdns_server", "pdns-server pdns-backend-bind"), find_program("dig", "bind9-dnsutils")
    server = private("powerdns")
    values = {"folder": server.folder, "port": free_port, "health": health[0].port, "signal": nhisync.port}
    files = {"pdns.conf": PDNS_CONF, "named.conf": PDNS_NAMED, "failover.test.zone": PDNS_ZONE}
    for name, text in files.items():
        server.write(name, text.format(**values))
    server.start(pdns, f"--config-dir={server.folder}")
    dns = Dns(server, free_port, dig, wait_until)
    wait_until(lambda: dns.answer() != "", "PowerDNS answers")
    version = re.search(r"PowerDNS Authoritative Server ([\w.-]+)", server.told())
    took_part("PowerDNS", version[1] if version else "of an unknown version")
    health[0].rounds(2)  # it polls from the first query on
    return dns


@pytest.fixture
def gdnsd(
    private: Any, free_port: int, health: Any, nhisync: Any, find_program: Any, took_part: Any, wait_until: Any
) -> Dns:
    """A gdnsd with simplefo over the app's health and the backup's signal."""
    program, dig = find_program("gdnsd", "gdnsd"), find_program("dig", "bind9-dnsutils")
    server = private("gdnsd")
    values = {"folder": server.folder, "port": free_port, "health": health[0].port, "signal": nhisync.port}
    server.write("config", GDNSD_CONFIG.format(**values))
    server.write("zones/failover.test", GDNSD_ZONE)
    server.start(program, "-c", str(server.folder), "start")
    dns = Dns(server, free_port, dig, wait_until)
    wait_until(lambda: dns.answer() != "", "gdnsd answers")
    version = re.search(r"gdnsd version ([\w.-]+)", server.told())
    took_part("gdnsd", version[1] if version else "of an unknown version")
    return dns


@pytest.fixture(params=["powerdns", "gdnsd"])
def dns(request: pytest.FixtureRequest) -> Dns:
    """Each of the two servers."""
    found: Dns = request.getfixturevalue(request.param)
    return found


@pytest.mark.requirement("R11")
def test_clients_are_moved_only_to_a_ready_backup(dns: Dns, nhisync: Any, health: Any) -> None:
    """A ready backup alone moves nobody; with the primary's app down it takes over; an unready one never does."""
    primary, _ = health
    dns.leads_to(PRIMARY)
    dns.keeps(PRIMARY, primary.rounds)
    primary.up = False
    dns.leads_to(BACKUP)
    primary.up = True
    dns.leads_to(PRIMARY)
    nhisync.spoil()
    nhisync.becomes(503)
    assert nhisync.signal("primary") == 200
    primary.rounds(3)
    primary.up = False
    primary.rounds(3)
    dns.keeps(PRIMARY, primary.rounds)
    nhisync.mend()
    dns.leads_to(BACKUP)


@pytest.mark.requirement("R9")
def test_a_dead_nhisync_leads_nobody_to_the_backup(dns: Dns, nhisync: Any, health: Any) -> None:
    """Killed with the primary's app down: whoever was on the backup goes back, and nobody comes."""
    primary, _ = health
    primary.up = False
    dns.leads_to(BACKUP)
    nhisync.kill()
    dns.leads_to(PRIMARY)
    dns.keeps(PRIMARY, primary.rounds)


@pytest.mark.requirement("R9")
def test_a_frozen_nhisync_leads_nobody_to_the_backup(dns: Dns, nhisync: Any, health: Any) -> None:
    """Cycles that stop without a word end the permission at its `valid_until`; the listener goes on answering 503."""
    primary, _ = health
    nhisync.freeze()
    nhisync.becomes(503)
    primary.rounds(3)
    primary.up = False
    primary.rounds(3)
    dns.keeps(PRIMARY, primary.rounds)


@pytest.mark.requirement("R9")
def test_a_restarted_nhisync_starts_blocked(dns: Dns, nhisync: Any, health: Any) -> None:
    """After a restart nobody is led to a backup that became unready meanwhile, although the old word was "ready"."""
    primary, _ = health
    nhisync.kill()
    nhisync.spoil()
    primary.rounds(3)
    primary.up = False
    nhisync.start()
    assert nhisync.signal() == 503
    dns.leads_to(PRIMARY)
    dns.keeps(PRIMARY, primary.rounds)
    assert nhisync.signal("primary") == 200
    nhisync.mend()
    dns.leads_to(BACKUP)


def test_real_probes_leave_no_trace_in_the_log(dns: Dns, nhisync: Any, health: Any) -> None:
    """Pollers that close early, send HTTP/1.0 or odd headers are daily bread: nothing of them reaches the log."""
    primary, _ = health
    dns.leads_to(PRIMARY)
    primary.rounds(5)
    log = nhisync.log.read_text(encoding="utf-8")
    assert "ERROR" not in log
    assert "Traceback" not in log
    assert "uvicorn" not in log
