"""Probes of ``match`` templates: ``{app}`` and ``{name}`` in what a probe says, checked at load, filled per pair.

While a probe is checked, a word stands for the name that every check of an explicit pair's probe lets pass. A name
comes from a store, where somebody may have chosen it: it fills a host's label or a path's part and never more.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final
from urllib.parse import urlsplit

from nhisync.config.problems import Loc, Report, dotted
from nhisync.config.secrecy import shown
from nhisync.config.tree import Node
from nhisync.config.values import Probe

_WORD: Final = "nhisync-stands-for-the-name"
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
_SCRIPT: Final = "script"
_HEADER: Final = "header"


def unfolded(node: Node, app: str, loc: Loc, report: Report) -> Any:
    """The value of `node` with ``{app}`` filled in and a word for ``{name}``; other placeholders are problems.

    A script has placeholders of its own, which its own check knows.
    """
    return _unfolded(node, app, loc, report, scripted=False)


def _unfolded(node: Node, app: str, loc: Loc, report: Report, *, scripted: bool) -> Any:
    if isinstance(node.value, dict):
        return {
            key: _unfolded(child, app, (*loc, key), report, scripted=scripted or key == _SCRIPT)
            for key, child in node.entries()
        }
    if isinstance(node.value, list):
        return [_unfolded(child, app, loc, report, scripted=scripted) for child in node.items()]
    if not isinstance(node.value, str):
        return node.value
    text = node.value.replace("{app}", app).replace("{name}", _WORD)
    if loc[-1] == _HEADER and not scripted and _WORD in text:
        told = "a name from a store chooses no header: `Host` among them would lead the credential elsewhere"
        report.add(node.mark, dotted(loc), f"{dotted(loc)}: {told}")
    for unknown in () if scripted else _PLACEHOLDER.findall(text):
        told = f"`{{{shown(unknown)}}}` stands for nothing; known are {{app}} and {{name}}"
        report.add(node.mark, dotted(loc), f"{dotted(loc)}: {told}")
    return text


def filled(probe: Probe, name: str) -> Probe | None:
    """The probe of the pair called `name`; None where such a name cannot stand where the template puts it."""
    texts = {key: text for key, text in asdict(probe).items() if isinstance(text, str) and _WORD in text}
    if not texts:
        return probe
    hosts = (*_hosts(probe.target, probe.proxy), probe.server_name)
    fits = _LABEL if any(_WORD in host for host in hosts) else _NAME
    if not fits.fullmatch(name) or ".." in name:
        return None
    changes: Mapping[str, Any] = {key: text.replace(_WORD, name) for key, text in texts.items()}
    return replace(probe, **changes)


def _hosts(*targets: str) -> list[str]:
    return [urlsplit(one if "://" in one else f"//{one}").netloc for one in targets]
