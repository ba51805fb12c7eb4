"""nhisync's own identities, tier standard: what the evidence is read with must be there in the outage as well."""

from nhisync.model import OWN as NAME
from nhisync.testing.demo_parts import DAY, kv, pair, plant, secret
from nhisync.testing.scenario import PlannedApp

OWN = PlannedApp(
    name=NAME,
    tier="standard",
    owner="platform-oncall",
    runbook="https://wiki.example/nhisync",
    pairs=(
        pair(
            "reader",
            "token",
            kv("nhisync/reader"),
            secret("nhisync/reader"),
            "Healthy: two tokens, rotated in step, each on its own path.",
            document={"authenticates": ["aws", "bao"]},
        ),
        pair(
            "archive-reader",
            "credential",
            kv("nhisync/archive-reader"),
            plant("aws", "service-credential", "codecommit.amazonaws.com/nhisync", created=40 * DAY, expires=-1 * DAY),
            "What nhisync reads the archive with ended yesterday; nobody knows what stands there now.",
            "NHS301",
            document={"authenticates": ["archive"]},
        ),
    ),
    verdict="not_ready",
)
