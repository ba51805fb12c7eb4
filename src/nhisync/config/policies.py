"""Effective tiers: built-in values, overridden one by one by files; every value keeps where it came from."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from nhisync.config.policy_checks import OPTIONAL, SECTIONS, Draft, PolicyFile, check_tier, dotted_keys, value_text
from nhisync.config.policy_documents import PolicyDocument
from nhisync.config.problems import NOWHERE, Report, nearest
from nhisync.config.reading import read_yaml
from nhisync.config.secrecy import shown
from nhisync.config.validation import refuse_empty, validate
from nhisync.errors import ConfigurationError, Problem
from nhisync.model import Severity
from nhisync.policy import BUILTIN, Tier
from nhisync.spi import format_duration

BUILT_IN = "built-in"
"""Origin of a value that no file sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All tiers that can be named.

    Attributes:
        tiers: name → effective tier.
        names: all names, those of unusable files included, so that one wrong file is reported once.
        problems: what is wrong with the files.
    """

    tiers: Mapping[str, Tier]
    names: frozenset[str]
    problems: tuple[Problem, ...]


def load_policies(folder: Path | None, *, name: str = "", codes: Collection[str] | None = None) -> Policies:
    """All tiers of `folder` on top of the built-in ones.

    Args:
        folder: where ``<tier>.yaml`` files are; None = built-in tiers only.
        name: how messages call the folder.
        codes: known rule codes; None = any code of the right form.
    """
    loader = _Loader(codes)
    if folder is not None:
        loader.read(folder, name or str(folder))
    return loader.finish()


def load_policy(file: Path, *, codes: Collection[str] | None = None) -> Tier:
    """The effective tier of a single file; it may inherit built-in tiers.

    Raises:
        ConfigurationError: with all problems.
    """
    loader = _Loader(codes)
    loader.read_file(file, str(file))
    policies = loader.finish()
    if policies.problems:
        raise ConfigurationError(policies.problems)
    return policies.tiers[file.stem]


class _Loader:
    def __init__(self, codes: Collection[str] | None) -> None:
        self._codes = codes
        self._files: dict[str, PolicyFile] = {}
        self._broken: set[str] = set()
        self._problems: list[Problem] = []
        self._done: dict[str, Draft | None] = {}

    def read(self, folder: Path, name: str) -> None:
        """Read all files of `folder`."""
        try:
            found = [(entry, entry.is_file()) for entry in sorted(folder.iterdir()) if entry.name[0] != "."]
        except OSError:
            self._folder_problem(name, "there is no such folder, or this user may not read it")
            return
        for file, regular in found:
            shown_name = f"{name.rstrip('/')}/{file.name}"
            suffix = file.suffix.lower()
            if file.suffix == ".yaml" and regular:
                self.read_file(file, shown_name)
            elif file.suffix == ".yaml":  # a tier would silently be judged by its built-in values instead
                said = "this is no regular file, or a link that leads nowhere; a policy would be overlooked"
                self._broken.add(file.stem)
                self._folder_problem(shown_name, said)
            elif suffix in {".yaml", ".yml", ".json"} and regular:
                self._folder_problem(shown_name, "a policy file is called <tier>.yaml; this one would be overlooked")

    def _folder_problem(self, name: str, message: str) -> None:
        report = Report(name)
        report.add(NOWHERE, "policies", message)
        self._problems.extend(report.problems())

    def read_file(self, file: Path, name: str) -> None:
        """Read one file."""
        try:
            yaml = read_yaml(file, name=name)
        except ConfigurationError as error:
            self._broken.add(file.stem)
            self._problems.extend(error.problems)
            return
        report = yaml.report()
        refuse_empty(yaml.root, (), report)
        document = validate(PolicyDocument, yaml.root, (), report)
        if document is None or report:
            self._broken.add(file.stem)
            self._problems.extend(report.problems())
            return
        if document.tier != file.stem:
            said = f"tier: the file is called {shown(file.name)} and holds tier `{document.tier}`; they must be equal"
            report.add(yaml.mark(("tier",)), "tier", said)
        self._files[file.stem] = PolicyFile(document, yaml, report)

    def finish(self) -> Policies:
        """Resolve inheritance and check every tier."""
        names = frozenset({*BUILTIN, *self._files, *self._broken})
        tiers: dict[str, Tier] = {}
        for name in sorted(names - self._broken):
            draft = self._draft(name, ())
            if draft is not None and (name not in self._files or not self._files[name].report):
                tiers[name] = _tier(name, draft)
        for file in self._files.values():
            self._problems.extend(file.report.problems())
        return Policies(tiers=tiers, names=names, problems=tuple(self._problems))

    def _draft(self, name: str, heirs: tuple[str, ...]) -> Draft | None:
        """The values of tier `name`, or None when they cannot be known."""
        if name in self._done:
            return self._done[name]
        file = self._files.get(name)
        if file is None:
            return None if name in self._broken else _built_in(BUILTIN[name])
        parent = self._parent(file, name, (*heirs, name))
        draft = None if parent is None else self._override(parent, file, name)
        self._done[name] = draft
        return draft

    def _parent(self, file: PolicyFile, name: str, lineage: tuple[str, ...]) -> Draft | None:
        wanted = file.document.inherits
        if wanted is None:
            return _built_in(BUILTIN[name]) if name in BUILTIN else _blank()
        if wanted == name and name in BUILTIN:
            return _built_in(BUILTIN[name])
        mark = file.yaml.mark(("inherits",))
        if wanted in lineage:
            file.report.add(mark, "inherits", f"inherits: `{wanted}` inherits this tier; a circle has no values")
            return None
        known = {*BUILTIN, *self._files, *self._broken}
        if wanted not in known:
            said = f"inherits: there is no tier `{shown(wanted)}`; known are {', '.join(sorted(known))}"
            file.report.add(mark, "inherits", said, suggestion=nearest(wanted, known))
            return None
        return self._draft(wanted, lineage)

    def _override(self, parent: Draft, file: PolicyFile, name: str) -> Draft | None:
        draft = Draft(
            dict(parent.values),
            dict(parent.severities),
            parent.off,
            dict(parent.origins),
            parent.critical or name == "critical",
            dict(parent.attestations),
        )
        for section in SECTIONS:
            part = getattr(file.document, section)
            for key in part.model_fields_set:
                draft.values[f"{section}.{key}"] = getattr(part, key)
                draft.origins[f"{section}.{key}"] = file.yaml.origin((section, key))
        for code, word in file.document.severities.items():
            draft.severities[code] = Severity(word)
            draft.origins[f"severities.{code}"] = file.yaml.origin(("severities", code))
        for kind, span in file.document.attestations.items():
            draft.attestations[kind] = span
            draft.origins[f"attestations.{kind}"] = file.yaml.origin(("attestations", kind))
        if "off" in file.document.model_fields_set:
            draft.off = frozenset(file.document.off)
            draft.origins["off"] = file.yaml.origin(("off",))
        check_tier(name, draft, file, self._codes)
        return None if file.report else draft


def _flat(tier: Tier) -> dict[str, Any]:
    return {key: getattr(getattr(tier, key.partition(".")[0]), key.partition(".")[2]) for key in dotted_keys()}


def _blank() -> Draft:
    return Draft(dict(OPTIONAL), origins=dict.fromkeys(OPTIONAL, BUILT_IN))


def _built_in(tier: Tier) -> Draft:
    values = _flat(tier)
    origins = dict.fromkeys((*values, *(f"severities.{code}" for code in tier.severities), "off"), BUILT_IN)
    origins.update(dict.fromkeys((f"attestations.{kind}" for kind in tier.attestations), BUILT_IN))
    return Draft(values, dict(tier.severities), tier.off, origins, tier.name == "critical", dict(tier.attestations))


def _tier(name: str, draft: Draft) -> Tier:
    sections: dict[str, Any] = {
        section: value(**{one.name: draft.values[f"{section}.{one.name}"] for one in fields(value)})
        for section, value in SECTIONS.items()
    }
    origins = {"off": BUILT_IN, **draft.origins}
    return Tier(
        name=name,
        **sections,
        severities=dict(sorted(draft.severities.items())),
        off=draft.off,
        attestations=dict(sorted(draft.attestations.items())),
        origins=origins,
        digest=_digest(name, draft),
    )


def _digest(name: str, draft: Draft) -> str:
    canonical: dict[str, Any] = {
        "tier": name,
        "values": {key: format_duration(v) if isinstance(v, timedelta) else v for key, v in draft.values.items()},
        "severities": {code: severity.value for code, severity in draft.severities.items()},
        "off": sorted(draft.off),
    }
    if draft.attestations:
        canonical["attestations"] = {kind: format_duration(span) for kind, span in draft.attestations.items()}
    return digest_of(canonical)


def digest_of(value: Any) -> str:
    """``sha256:…`` over the canonical JSON of `value` (sorted keys, no blanks)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def effective_values(tier: Tier) -> dict[str, str]:
    """Dotted key → text of every value of `tier`, in the order of the policy file."""
    texts = {key: value_text(value) for key, value in _flat(tier).items()}
    texts.update({f"severities.{code}": severity.value for code, severity in tier.severities.items()})
    texts.update({f"attestations.{kind}": value_text(span) for kind, span in tier.attestations.items()})
    texts["off"] = ", ".join(sorted(tier.off)) or "none"
    return texts
