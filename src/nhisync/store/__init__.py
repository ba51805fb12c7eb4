"""The store: what nhisync remembers between runs. SQLite by default, PostgreSQL with the very same tables.

Open it with `Store.open` or `Store.temporary`; write through `Store.run`; read through `Store.reader`.
"""

from nhisync.store.archive import Restored, Step, Told, restore, untold
from nhisync.store.audit import AuditCheck, AuditRecord
from nhisync.store.comparison import Comparison
from nhisync.store.findings import PastFinding, Stored
from nhisync.store.items import Claim, Scope
from nhisync.store.reader import Reader
from nhisync.store.retention import Retention, Retired
from nhisync.store.run import RunHandle
from nhisync.store.runs import Run
from nhisync.store.store import Store
from nhisync.store.upgrading import Upgraded, upgrade
from nhisync.store.verdicts import VerdictRecord
from nhisync.store.waivers import WaiverRecord

__all__ = [
    "AuditCheck",
    "AuditRecord",
    "Claim",
    "Comparison",
    "PastFinding",
    "Reader",
    "Restored",
    "Retention",
    "Retired",
    "Run",
    "RunHandle",
    "Scope",
    "Step",
    "Store",
    "Stored",
    "Told",
    "Upgraded",
    "VerdictRecord",
    "WaiverRecord",
    "restore",
    "untold",
    "upgrade",
]
