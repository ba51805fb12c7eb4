"""Control ids by rule family: what a finding is evidence for. Every id exists in `nhisync.policy.frameworks`."""

from typing import Final

INVENTORY: Final = (
    "NHI1:2025",
    "CSF2:PR.AA-01",
    "CSF2:ID.AM-02",
    "CSF2:ID.AM-04",
    "800-53r5:AC-2",
    "800-53r5:CP-7(4)",
    "ISO27001:A.5.16",
    "ISO27001:A.8.14",
    "CCM4:IAM-03",
    "MAESTRO:L4",
)
"""The identity exists on both paths, in force."""

OWNERSHIP: Final = (
    "NHI1:2025",
    "CSF2:PR.AA-01",
    "CSF2:ID.AM-08",
    "800-53r5:AC-2",
    "ISO27001:A.5.16",
    "CCM4:IAM-03",
)
"""Somebody answers for the identity, and it is removed when nobody needs it."""

ROTATION: Final = (
    "NHI7:2025",
    "CSF2:PR.AA-01",
    "CSF2:PR.IR-03",
    "800-53r5:IA-5",
    "800-53r5:SC-12",
    "ISO27001:A.5.17",
    "ISO27001:A.8.24",
    "PCI4:3.7.4",
    "PCI4:8.6.3",
    "DORA:RTS 7.1",
    "DORA:RTS 7.3",
    "CCM4:CEK-12",
)
"""Credentials change at their interval, on both sides."""

EXPIRY: Final = (
    "NHI7:2025",
    "CSF2:PR.AA-01",
    "CSF2:DE.CM-09",
    "800-53r5:IA-5",
    "800-53r5:SC-17",
    "ISO27001:A.8.24",
    "PCI4:4.2.1",
    "PCI4:4.2.1.1",
    "DORA:RTS 7.4",
    "DORA:RTS 7.5",
)
"""Credentials are renewed before they end."""

REUSE: Final = (
    "NHI9:2025",
    "NHI8:2025",
    "CSF2:PR.AA-01",
    "CSF2:PR.AA-05",
    "800-53r5:IA-5",
    "800-53r5:AC-2(9)",
    "ISO27001:A.5.17",
)
"""One credential, one place."""

EXPOSURE: Final = (
    "NHI2:2025",
    "NHI5:2025",
    "CSF2:PR.AA-05",
    "800-53r5:AC-6",
    "ISO27001:A.5.15",
    "PCI4:7.2.5",
    "DORA:9.4(c)",
    "SOC2:CC6.3",
    "CCM4:IAM-05",
)
"""Only its owner can read a credential."""

AUTHORIZATION: Final = (
    "NHI5:2025",
    "CSF2:PR.AA-05",
    "800-53r5:AC-6",
    "800-53r5:AC-2",
    "800-53r5:CP-7(1)",
    "ISO27001:A.5.15",
    "PCI4:7.2.5",
    "DORA:9.4(c)",
    "SOC2:CC6.3",
    "CCM4:IAM-05",
)
"""Both identities may do the same, and no more than needed."""

KEYS: Final = (
    "CSF2:PR.DS-01",
    "800-53r5:SC-12",
    "800-53r5:CP-7(4)",
    "ISO27001:A.5.29",
    "ISO27001:A.8.24",
    "MAESTRO:L4",
)
"""What encrypts the backup's credentials is as good as on the primary."""

AUDITING: Final = (
    "CSF2:PR.PS-04",
    "CSF2:DE.CM-09",
    "800-53r5:AU-10",
    "ISO27001:A.5.29",
    "ISO27001:A.8.15",
    "MAESTRO:L5",
)
"""Who read a credential can be told afterwards, on both paths."""

CHAIN: Final = (
    "NHI4:2025",
    "CSF2:PR.AA-03",
    "CSF2:PR.AA-04",
    "CSF2:PR.DS-02",
    "800-53r5:SC-17",
    "800-53r5:IA-5(2)",
    "800-53r5:IA-5(14)",
    "ISO27001:A.8.5",
    "ISO27001:A.8.24",
    "PCI4:4.2.1",
)
"""Peers can verify the backup as they verify the primary."""

SEPARATION: Final = (
    "CSF2:PR.IR-03",
    "CSF2:GV.OC-05",
    "CSF2:GV.SC-07",
    "CSF2:ID.AM-04",
    "800-53r5:CP-6(1)",
    "800-53r5:CP-7(1)",
    "ISO27001:A.5.23",
    "ISO27001:A.5.30",
    "DORA:10.1",
    "MAESTRO:L4",
)
"""The backup needs nothing that goes down with the primary."""

AUTHENTICATION: Final = (
    "CSF2:PR.AA-03",
    "CSF2:RC.RP-03",
    "CSF2:RC.RP-05",
    "800-53r5:IA-9",
    "800-53r5:CP-4(2)",
    "800-53r5:CP-4(3)",
    "800-53r5:CP-7(4)",
    "ISO27001:A.5.30",
    "MAESTRO:L4",
)
"""The backup's credentials are tried where they are used, before a failover does."""

EVIDENCE: Final = (
    "CSF2:DE.CM-06",
    "CSF2:DE.CM-09",
    "CSF2:DE.AE-06",
    "800-53r5:CA-7",
    "ISO27001:A.8.16",
    "SOC2:CC7.2",
    "MAESTRO:L5",
)
"""What is not known is said, and blocks."""
