"""Control ids of the frameworks nhisync refers to, as data; every id it prints exists here.

Titles are in our own words. nhisync *supports evidence for* these controls; it never says "compliant". The operators'
copy is ``policies/mappings/*.yaml``; a test compares both. Sources: NIST CSF 2.0 core (RC.* as restated by NIST's
reference tool), OWASP Non-Human Identities Top 10 2025, NIST SP 800-53 Rev. 5, ISO/IEC 27001:2022 Annex A, PCI DSS
4.0.1, Regulation (EU) 2022/2554 (DORA) and its RTS 2024/1774, AICPA Trust Services Criteria, CSA CCM 4, CSA MAESTRO.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control of one framework.

    Attributes:
        framework: key of the framework (``csf2``).
        version: the framework's version.
        id: the framework's own id (``PR.AA-01``).
        title: what it asks, in our own words.
        printed: the id as nhisync prints it (``CSF2:PR.AA-01``), unique across frameworks.
    """

    framework: str
    version: str
    id: str
    title: str
    printed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """A label that is often quoted and is not what it claims to be.

    Attributes:
        label: as it is quoted (``RC.RP-1``).
        means: printed ids that are meant.
        why: what is wrong with the label.
    """

    label: str
    means: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """One framework with the controls nhisync refers to.

    Attributes:
        key: word of ``--framework`` and name of the file in ``policies/mappings``.
        name: for a person.
        version: edition the ids belong to.
        prefix: what stands before an id when it is printed.
        titles: id → title in our own words.
        quoted: wrong labels with their correction.
        note: how to read it, or "".
    """

    key: str
    name: str
    version: str
    prefix: str
    titles: Mapping[str, str]
    quoted: tuple[Quoted, ...] = field(default=())
    note: str = ""

    def controls(self) -> tuple[Control, ...]:
        """Its controls in the order of the framework."""
        return tuple(
            Control(framework=self.key, version=self.version, id=id_, title=title, printed=f"{self.prefix}{id_}")
            for id_, title in self.titles.items()
        )


def _quoted(label: str, *means: str, why: str) -> Quoted:
    return Quoted(label=label, means=means, why=why)


_CSF_1 = "an id of CSF 1.1; CSF 2.0 numbers with two digits and moved the outcome"

_CSF2 = Framework(
    key="csf2",
    name="NIST Cybersecurity Framework",
    version="2.0",
    prefix="CSF2:",
    titles={
        "GV.OC-04": "services that others depend on are known and communicated",
        "GV.OC-05": "services the organisation depends on are known and communicated",
        "GV.SC-04": "suppliers are known and ranked by criticality",
        "GV.SC-07": "risks from a supplier are recorded, judged and monitored",
        "GV.SC-08": "suppliers take part in incident and recovery planning",
        "ID.AM-02": "software, services and systems are inventoried",
        "ID.AM-04": "services that suppliers provide are inventoried",
        "ID.AM-05": "assets are ranked by criticality and mission impact",
        "ID.AM-08": "assets are managed through their whole life cycle",
        "ID.RA-07": "changes and exceptions are managed, judged for risk and recorded",
        "ID.IM-02": "improvements come from tests and exercises, suppliers included",
        "ID.IM-04": "incident and recovery plans are kept up to date",
        "PR.AA-01": "identities and credentials of users, services and hardware are managed",
        "PR.AA-02": "identities are proofed and bound to credentials",
        "PR.AA-03": "users, services and hardware are authenticated",
        "PR.AA-04": "identity assertions are protected, conveyed and verified",
        "PR.AA-05": "permissions follow policy, are enforced and reviewed, with least privilege",
        "PR.DS-01": "data at rest is protected",
        "PR.DS-02": "data in transit is protected",
        "PR.DS-11": "backups are created, protected, maintained and tested",
        "PR.IR-03": "mechanisms meet resilience requirements in normal and adverse situations",
        "PR.IR-04": "capacity is enough to keep services available",
        "PR.PS-04": "logs are produced and available for monitoring",
        "DE.CM-03": "activity of people is monitored for adverse events",
        "DE.CM-06": "activity of external providers is monitored for adverse events",
        "DE.CM-09": "computing, runtime environments and their data are monitored",
        "DE.AE-06": "adverse events reach authorised staff and tools",
        "RC.RP-01": "the recovery part of the incident plan is run once it is triggered",
        "RC.RP-02": "recovery actions are chosen, scoped, ranked and performed",
        "RC.RP-03": "integrity of backups and other restoration assets is verified before use",
        "RC.RP-05": "restored assets are verified, services restored and normal operation confirmed",
        "RC.RP-06": "the end of recovery is declared by criteria and documented",
        "RC.CO-03": "progress of recovery is told to internal and external stakeholders",
    },
    quoted=(
        _quoted("RC.RP-1", "CSF2:RC.RP-01", "CSF2:RC.RP-02", why=_CSF_1),
        _quoted("PR.AC-1", "CSF2:PR.AA-01", "CSF2:PR.AA-05", why=_CSF_1),
        _quoted("PR.IP-10", "CSF2:ID.IM-02", "CSF2:ID.IM-04", why=_CSF_1),
        _quoted("PR.PT-5", "CSF2:PR.IR-03", why=_CSF_1),
        _quoted("RC.IM", "CSF2:ID.IM-02", "CSF2:ID.IM-04", why="a category of CSF 1.1; CSF 2.0 has it under Identify"),
    ),
)

_OWASP = Framework(
    key="owasp-nhi-2025",
    name="OWASP Non-Human Identities Top 10",
    version="2025",
    prefix="",
    titles={
        "NHI1:2025": "identities that are no longer needed stay behind (improper offboarding)",
        "NHI2:2025": "secrets leak (secret leakage)",
        "NHI3:2025": "third parties' identities are the weak point (vulnerable third-party NHI)",
        "NHI4:2025": "authentication is weak or outdated (insecure authentication)",
        "NHI5:2025": "identities may do more than they need (overprivileged NHI)",
        "NHI6:2025": "deployment pipelines use insecure cloud configurations",
        "NHI7:2025": "secrets live long and are not rotated (long-lived secrets)",
        "NHI8:2025": "environments are not kept apart (environment isolation)",
        "NHI9:2025": "one identity serves several purposes or places (NHI reuse)",
        "NHI10:2025": "people work with machine identities (human use of NHI)",
    },
    quoted=(
        _quoted(
            "NHI-03",
            *("NHI7:2025", "NHI9:2025", "NHI5:2025", "NHI8:2025", "NHI1:2025"),
            why="quoted for stale or inconsistent backup credentials; NHI3:2025 is about third parties",
        ),
        _quoted("NHI-07", "NHI7:2025", why="the list writes its ids as NHI7:2025"),
    ),
)

_NIST_53 = Framework(
    key="nist-800-53r5",
    name="NIST SP 800-53",
    version="Rev. 5",
    prefix="800-53r5:",
    titles={
        "AC-2": "accounts are defined, owned, reviewed and removed",
        "AC-2(9)": "shared and group accounts are restricted",
        "AC-2(12)": "accounts are watched for atypical use",
        "AC-6": "least privilege",
        "AC-6(7)": "privileges are reviewed and removed when not needed",
        "AU-10": "actions can be proven afterwards (non-repudiation)",
        "CA-7": "controls are monitored continuously",
        "CM-3": "configuration changes are controlled and recorded",
        "CP-4": "the contingency plan is tested",
        "CP-4(2)": "the plan is tested at the alternate processing site",
        "CP-4(3)": "the plan is tested by automated means",
        "CP-6(1)": "the alternate storage site is separated from the primary site",
        "CP-7(1)": "the alternate processing site is separated from the primary site",
        "CP-7(4)": "the alternate processing site is prepared for use",
        "CP-10": "systems are recovered and reconstituted to a known state",
        "IA-5": "authenticators are issued, changed, protected and revoked",
        "IA-5(2)": "public-key authentication validates the whole path",
        "IA-5(14)": "trust stores are managed",
        "IA-9": "services identify and authenticate themselves",
        "SC-12": "cryptographic keys are established and managed",
        "SC-17": "certificates come from an approved issuer and trust store",
        "SI-13(5)": "failover to a working component is available",
    },
    quoted=(
        _quoted("CP-10(5)", "800-53r5:SI-13(5)", why="withdrawn in Rev. 5, incorporated into SI-13"),
        _quoted("CP-7(5)", "800-53r5:CP-7(1)", "800-53r5:CP-7(4)", why="withdrawn in Rev. 5, incorporated into CP-7"),
        _quoted("IA-5(8)", "800-53r5:IA-5", "800-53r5:AC-2(9)", why="about people with several accounts, not machines"),
    ),
)

_ISO = Framework(
    key="iso27001-2022",
    name="ISO/IEC 27001",
    version="2022",
    prefix="ISO27001:",
    titles={
        "A.5.15": "access is granted by rules",
        "A.5.16": "identities are managed through their life cycle",
        "A.5.17": "authentication information is managed",
        "A.5.18": "access rights are granted, reviewed, changed and removed",
        "A.5.23": "cloud services are acquired, used and left in a governed way",
        "A.5.29": "security is kept during disruption",
        "A.5.30": "technology is ready for business continuity, and this is tested",
        "A.5.36": "own policies and rules are followed, and this is reviewed",
        "A.8.2": "privileged access rights are restricted and managed",
        "A.8.5": "authentication is secure",
        "A.8.14": "processing facilities are redundant enough for availability",
        "A.8.15": "activities are logged and logs are protected",
        "A.8.16": "systems are monitored for anomalies",
        "A.8.24": "cryptography and its keys follow rules",
        "A.8.32": "changes follow a procedure",
    },
)

_PCI = Framework(
    key="pci-dss-4",
    name="PCI DSS",
    version="4.0.1",
    prefix="PCI4:",
    titles={
        "3.7.4": "cryptographic keys are changed at the end of their cryptoperiod",
        "4.2.1": "card data in transit is protected by trusted, valid certificates",
        "4.2.1.1": "trusted keys and certificates are inventoried",
        "7.2.5": "application and system accounts have least privilege",
        "7.2.5.1": "access of application and system accounts is reviewed periodically",
        "8.6.1": "interactive use of system accounts is an approved exception",
        "8.6.3": "passwords of application and system accounts change at a justified interval and on compromise",
        "12.3.1": "a targeted risk analysis justifies each chosen interval",
        "12.10.2": "the incident response plan is reviewed and tested every year",
    },
)

_DORA = Framework(
    key="dora",
    name="Digital Operational Resilience Act",
    version="(EU) 2022/2554, RTS (EU) 2024/1774",
    prefix="DORA:",
    titles={
        "9.4(c)": "access is limited to what is legitimate and approved",
        "9.4(e)": "changes are documented, tested, approved and controlled",
        "10.1": "anomalies and single points of failure are detected",
        "11.6": "continuity plans are tested yearly and after substantive changes, switchovers included",
        "11.6(a)": "tests cover switchovers from primary to redundant capacity",
        "12.2": "activating a backup does not endanger the security of systems or data",
        "RTS 7.1": "cryptographic keys are managed through their life cycle",
        "RTS 7.3": "keys that are lost, compromised or damaged are replaced by a method that is laid down",
        "RTS 7.4": "certificates and what stores them are kept in a register",
        "RTS 7.5": "certificates are renewed before they expire",
        "RTS 21(a)": "access rights follow need to know, need to use and least privilege",
        "RTS 25.2(c)": "continuity tests contain switchovers from primary infrastructure to redundant capacity",
    },
)

_SOC2 = Framework(
    key="soc2",
    name="AICPA Trust Services Criteria",
    version="2017, points of focus 2022",
    prefix="SOC2:",
    titles={
        "A1.3": "recovery procedures are tested",
        "CC6.3": "access follows roles, least privilege and separation of duties, and is removed",
        "CC7.2": "components are monitored for anomalies",
        "CC8.1": "changes are authorised, tested and approved",
    },
)

_CCM4 = Framework(
    key="ccm4",
    name="CSA Cloud Controls Matrix",
    version="4.0",
    prefix="CCM4:",
    titles={
        "CEK-12": "cryptographic keys are rotated",
        "IAM-03": "identities and their access are inventoried",
        "IAM-05": "least privilege",
        "IAM-12": "integrity of logs is protected",
        "IAM-16": "access is authorised by mechanisms that verify it",
    },
)

_MAESTRO = Framework(
    key="maestro",
    name="CSA MAESTRO",
    version="2025",
    prefix="MAESTRO:",
    titles={
        "L4": "deployment and infrastructure: traffic is led to an unready path",
        "L5": "evaluation and observability: the readiness signal is poisoned or stale",
        "L6": "security and compliance (across layers): signing, approvals, command authority",
    },
    quoted=(
        _quoted("L4 Tool Integration", "MAESTRO:L4", why="CSA's own list calls layer 4 Deployment & Infrastructure"),
    ),
    note="a threat-modelling method without control numbers: a threat-model reference, never a compliance claim",
)

FRAMEWORKS: Final[Mapping[str, Framework]] = {
    f.key: f for f in (_CSF2, _OWASP, _NIST_53, _ISO, _PCI, _DORA, _SOC2, _CCM4, _MAESTRO)
}
"""All frameworks by key."""

CONTROLS: Final[Mapping[str, Control]] = {c.printed: c for f in FRAMEWORKS.values() for c in f.controls()}
"""All controls by printed id."""

QUOTED: Final[Mapping[str, Quoted]] = {q.label: q for f in FRAMEWORKS.values() for q in f.quoted}
"""Wrong labels by the way they are quoted."""


def quoted_as(printed: str) -> tuple[str, ...]:
    """Labels under which the control with this printed id is often, and wrongly, quoted."""
    return tuple(label for label, quoted in QUOTED.items() if printed in quoted.means)
