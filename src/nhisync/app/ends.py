"""When what a verdict rests on ends, beside the age of observations: a signal must not outlive it (pure)."""

from collections.abc import Iterable
from dataclasses import replace

from nhisync.model import Finding, State
from nhisync.parity.book import AppTerms, last_second
from nhisync.parity.engine import FAR, Judged
from nhisync.parity.holding import held_of
from nhisync.parity.proof import proof_of
from nhisync.parity.rules.compared import known_until
from nhisync.readiness import blocks


def proven_until(judged: Judged, terms: AppTerms, *, exempt: bool) -> int:
    """When the first thing ends that was seen of this pair and its verdict rests on; of an `exempt` one none is."""
    if exempt:
        return FAR
    limits = terms.thresholds
    ages = zip(judged.observed, (limits.primary_baseline_max_age, limits.inventory_max_age), strict=True)
    ends = [seen + age for seen, age in ages if seen is not None]
    if limits.live_depth and (proof := proof_of(judged.backup)) is not None:
        ends.append(proof.at + limits.live_max_age)
    return min(*ends, rights_until(judged, terms), seen_until(judged, terms), FAR)


def rights_until(judged: Judged, terms: AppTerms) -> int:
    """When what is known of the backup's rights ends; a remembered result holds no longer than they do."""
    if not terms.thresholds.compare_rights:
        return FAR
    if judged.outcomes is None:
        return judged.recheck
    limits = terms.thresholds
    until = known_until(judged.backup, limits.rights_max_age, opinion=limits.second_opinion)
    return FAR if until is None else until


def agreed_until(key: str, found: Iterable[Finding], terms: AppTerms, now: int) -> int:
    """When the first agreement ends that keeps this pair from blocking: a waiver, a sharing, an exemption."""
    waived = (f for f in found if f.state is State.WAIVED and blocks(replace(f, state=State.FAIL)))
    days = [waiver.until for f in waived if (waiver := terms.waivers.find(key, f.code)) is not None]
    ends = [last_second(day) for day in days]
    if terms.spares(key, now):
        ends.append(terms.terms(key).until)
    return min((end + 1 for end in ends if end is not None), default=FAR)


def seen_until(judged: Judged, terms: AppTerms) -> int:
    """When what is known of the backup's consumers ends."""
    if not terms.tier.consumers.asked:
        return FAR
    named, held = terms.terms(judged.key).consumers_backup, held_of(judged.backup)
    if not named or held is None:
        return FAR
    return min(held.of(name).at for name in named) + terms.thresholds.consumers_max_age
