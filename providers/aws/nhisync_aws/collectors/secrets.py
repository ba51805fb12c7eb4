"""Kind ``secret``: Secrets Manager.

ListSecrets carries nearly all that is judged, 100 secrets a call. Single reads are made only where it cannot say it:

- the date of a version, when a secret changed after its last rotation (any edit counts as a change, a tag too), for
  secrets that pairs name; and of a pending version, so that a stuck rotation has an age;
- replication status, for primaries with replicas that pairs name;
- absence: the list may be minutes behind, so a missing secret is described before it is called absent.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nhisync.spi import Coverage, ErrorKind, Locator, Observation, ProviderError, Unchanged
from nhisync.spi.runs import Sweep
from nhisync_aws.collectors.kms import KeyRing
from nhisync_aws.collectors.secret_facts import SecretFacts, secret_item
from nhisync_aws.paging import Listing, pages
from nhisync_aws.run import Run

KIND = "secret"
_PAGE = 100
_FILTER_VALUES = 10
_MANY = 100
_FILTERABLE = re.compile(r"[A-Za-z0-9 :_@/+=.\-]{1,512}\Z")  # FilterValueStringType; a leading ! would negate
_HOPELESS = frozenset({ErrorKind.AUTH_FAILED, ErrorKind.UNREACHABLE, ErrorKind.THROTTLED})


@dataclass(frozen=True, slots=True)
class _Scan:
    """One listing: its filter values, and which names end it early (none = it goes to its end)."""

    values: tuple[str, ...]
    until: frozenset[str] = frozenset()


def collect(run: Run) -> Iterator[Observation]:
    """Sweep, then read singly what the list could not answer, then account for what was wanted and not seen."""
    yield from _Secrets(run).collect()


class _Secrets:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._keys = KeyRing(run, KIND, "aws/secretsmanager")
        self._wanted = dict(run.wanted(KIND))
        self._seen: set[str] = set()
        self._singly: dict[Locator, SecretFacts] = {}
        self._partial: ProviderError | None = None
        self._failed: ProviderError | None = None

    def collect(self) -> Iterator[Observation]:
        run = self._run
        swept: list[tuple[_Scan, Sweep, dict[str, int]]] = []
        for scan in self._scans():
            sweep, counts = Sweep(), dict.fromkeys(scan.values or ("",), 0)
            yield from self._listed(scan, sweep, counts)
            self._failed = sweep.error or self._failed
            if run.swept(KIND) and not scan.until:
                swept.append((scan, sweep, counts))
            elif sweep.error is not None:
                run.miss(KIND, sweep.error)
        yield from run.each(list(self._singly), self._detail)
        missing = [locator for name, locator in self._wanted.items() if name not in self._seen]
        if self._failed is not None and self._failed.kind in _HOPELESS:
            yield from (run.failed(locator, self._failed) for locator in missing)
        else:
            yield from run.each(missing, self._unlisted)
        for _, sweep, counts in swept:
            yield from self._coverage(sweep, counts)

    def _coverage(self, sweep: Sweep, counts: Mapping[str, int]) -> Iterator[Coverage]:
        """One entry per prefix; never authoritative, because the list lags behind."""
        if sweep.error is None and self._partial is not None:
            sweep.error = self._partial
        for scope, count in counts.items():
            part = Sweep()
            part.items, part.error = count, sweep.error
            yield self._run.coverage(KIND, part, authoritative=False, scope=scope)

    def _scans(self) -> Iterator[_Scan]:
        """Fewest lists that hold everything asked for."""
        run = self._run
        prefixes: tuple[str, ...] | None = None
        if run.swept(KIND):
            prefixes = run.request.prefixes.get(KIND)
            if prefixes is None or not all(_FILTERABLE.match(p) for p in prefixes):
                yield _Scan(())
                return
            for values in _chunks(sorted(set(prefixes))):
                yield _Scan(values)
        outside = [n for n in self._wanted if _FILTERABLE.match(n) and not n.startswith(("arn:", *(prefixes or ())))]
        if len(outside) > _MANY:
            yield _Scan((), frozenset(outside))
            return
        for values in _chunks(sorted(outside)):
            yield _Scan(values, frozenset(values))

    def _listed(self, scan: _Scan, sweep: Sweep, counts: dict[str, int]) -> Iterator[Observation]:
        run = self._run
        parameters: dict[str, Any] = {"MaxResults": _PAGE, "IncludePlannedDeletion": True}
        if scan.values:
            parameters["Filters"] = [{"Key": "name", "Values": list(scan.values)}]
        listing = Listing("secretsmanager", "ListSecrets", "SecretList", "NextToken", "NextToken", parameters)
        waiting = set(scan.until) - self._seen
        for entry in run.list(listing, sweep):
            name = str(entry.get("Name") or "")
            for scope in counts:
                counts[scope] += name.startswith(scope)
            yield from self._take(name, entry)
            waiting.discard(name)
            if scan.until and not waiting:
                return

    def _take(self, name: str, entry: Mapping[str, Any]) -> Iterator[Observation]:
        run = self._run
        arn = str(entry.get("ARN") or "")
        names = [n for n in (name, arn) if n in self._wanted]
        if not names and run.asked_for(KIND, name):
            names = [name]
        for found in names:
            if found in self._seen:
                continue
            self._seen.add(found)
            wanted = found in self._wanted
            locator = self._wanted[found] if wanted else run.locator(KIND, found)
            yield from run.guarded(locator, partial(self._listed_one, entry, wanted))

    def _listed_one(self, entry: Mapping[str, Any], wanted: bool, locator: Locator) -> Iterator[Observation]:
        """The item by its row alone, where that is enough."""
        facts = SecretFacts(self._run, entry, wanted=wanted)
        if facts.needs_single_reads:
            self._singly[locator] = facts
        else:
            key = self._keys.named(facts.key_id)
            yield self._run.known(secret_item(self._run, locator, facts, key, self._keys.protection(facts.key_id)))

    def _detail(self, locator: Locator) -> Iterator[Observation]:
        run, facts = self._run, self._singly[locator]
        key = self._keys.described(facts.key_id) if facts.wanted else self._keys.named(facts.key_id)
        guard = self._keys.protection(facts.key_id)
        listed = run.known(secret_item(run, locator, facts, key, guard))
        if facts.lists_all_changes and isinstance(listed, Unchanged):
            yield listed
            return
        try:
            facts = self._completed(facts)
        except ProviderError as error:
            # The list said that it is there; what it could not say stays unsaid, and the coverage says why.
            self._partial = error
            if not run.swept(KIND):
                run.miss(KIND, error)
        yield secret_item(run, locator, facts, key, guard)

    def _completed(self, facts: SecretFacts) -> SecretFacts:
        connection, budget = self._run.connection, self._run.budget
        if facts.needs_description:
            described = connection.call("secretsmanager", "DescribeSecret", budget, SecretId=facts.arn)
            facts = facts.with_description(described)
        return facts.with_versions(self._versions(facts.arn)) if facts.needs_versions else facts

    def _versions(self, arn: str) -> list[dict[str, Any]]:
        parameters = {"SecretId": arn, "MaxResults": _PAGE}
        listing = Listing("secretsmanager", "ListSecretVersionIds", "Versions", "NextToken", "NextToken", parameters)
        return [v for page in pages(self._run.connection, listing, self._run.budget) for v in page]

    def _unlisted(self, locator: Locator) -> Iterator[Observation]:
        """The authoritative read of one secret that no list showed."""
        run = self._run
        entry = run.connection.call("secretsmanager", "DescribeSecret", run.budget, SecretId=locator.name)
        if "ARN" not in entry:
            raise ProviderError(ErrorKind.MALFORMED, "the answer holds no ARN (secretsmanager:DescribeSecret)")
        self._singly[locator] = SecretFacts(run, entry, wanted=True).with_description(entry)
        yield from self._detail(locator)


def _chunks(values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(values), _FILTER_VALUES):
        yield tuple(values[start : start + _FILTER_VALUES])
