"""Seeds of kinds ``certificate`` (ACM) and ``server-certificate`` (IAM), with real X.509 material."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from moto.acm.models import acm_backends
from moto.iam.models import Certificate

from nhisync.testing.world import Seed
from nhisync_aws.emulator.acm_overlay import SeededBundle
from nhisync_aws.emulator.auth import iam
from nhisync_aws.emulator.authority import Wish, pem, signed
from nhisync_aws.emulator.keypairs import key_text, new_key
from nhisync_aws.emulator.seeding import YEAR, Plot, tags_of

_DEFAULT_KEY = "EC_prime256v1"


@dataclass(frozen=True, slots=True)
class _Material:
    """A leaf with its issuer, as PEM."""

    certificate: str
    key: str = field(repr=False)
    chain: str


def seed_certificate(plot: Plot, item: Seed) -> str:
    """Plant an ACM certificate; the name is its domain. Options: README.md, kind ``certificate``."""
    options = item.options
    material = _material(plot, item)
    kind = str(options.get("type", "IMPORTED"))
    bundle = SeededBundle(
        plot.account_id, material.certificate.encode(), material.key.encode(), region=plot.region, cert_type=kind
    )
    bundle.in_use_by = list(options.get("in_use_by", []))
    for tag in tags_of(item):
        bundle.tags[tag["Key"]] = tag["Value"]
    acm_backends[plot.account_id][plot.region]._certificates[bundle.arn] = bundle  # noqa: SLF001
    facts: dict[str, Any] = {
        "created": plot.ago(item.created),
        "imported": plot.ago(item.created if item.rotated is None else item.rotated),
        "chain_pem": material.chain,
    }
    facts |= {k: options[k] for k in ("status", "origin", "renewal_eligibility", "renewal_summary") if k in options}
    plot.account.certificate_facts[bundle.arn] = facts
    if options.get("denied"):
        plot.cloud.denied.setdefault(plot.key, set()).add(bundle.arn)
    if options.get("locator") == "id":
        return f"certificate/{bundle.arn.rpartition('/')[2]}"
    return f"certificate/{item.name}"


def seed_server_certificate(plot: Plot, item: Seed) -> str:
    """Plant an IAM server certificate; options: README.md, kind ``server-certificate``."""
    material = _material(plot, item)
    backend = iam(plot.account_id)
    backend.certificates[item.name] = Certificate(
        plot.account_id, plot.region, item.name, material.certificate, material.key, material.chain
    )
    age = item.created if item.rotated is None else item.rotated
    plot.account.server_certificate_dates[item.name] = plot.ago(age)
    return f"server-certificate/{item.name}"


def _material(plot: Plot, item: Seed) -> _Material:
    options = item.options
    age = item.created if item.rotated is None else item.rotated
    start = plot.ago(age)
    end = plot.now + (YEAR if item.expires is None else item.expires)
    start = min(start, end - timedelta(days=1))
    ends = plot.now + options["issuer_expires"] if "issuer_expires" in options else max(end, plot.now) + YEAR
    wish = Wish(subject=str(options.get("issuer", "nhisync test issuing CA")), start=start - YEAR, end=ends)
    authorities = plot.cloud.authorities
    issuer = authorities.issuing(wish, trusted=options.get("root") != "unknown")
    key = options.get("key") or new_key(str(options.get("key_type", _DEFAULT_KEY)))
    domain = str(options.get("domain", item.name))
    names = tuple(str(n) for n in options.get("names", [domain]))
    leaf = signed(Wish(subject=domain, start=start, end=end, names=names), key.public_key(), issuer)
    behind = {
        "full": (issuer.certificate,),
        "none": (),
        "aws": (issuer.certificate, authorities.older_form),
        "surplus": (issuer.certificate, authorities.stranger.certificate),
    }[str(options.get("chain", "full"))]
    return _Material(pem(leaf), key_text(key), pem(*behind))
