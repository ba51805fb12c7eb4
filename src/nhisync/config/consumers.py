"""Consumers from documents to values: who uses a side's credential, and how each is asked what it has loaded."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nhisync.config.probe_documents import ConsumerDocument, ConsumersDocument, ProbeDocument
from nhisync.config.probes import SIDES, loopback, probe_of
from nhisync.config.problems import Loc, Report, dotted
from nhisync.config.tree import Node
from nhisync.config.validation import validate
from nhisync.config.values import Consumer

TYPE = "generation"
"""Kind of the probe that asks a consumer (`nhisync.probes.KINDS`)."""

_ASKING = ("generation", "server_name", "ca_file", "proxy")


def build_consumers(node: Node, loc: Loc, report: Report) -> Mapping[str, tuple[Consumer, ...]]:
    """Role word → consumers of the pair whose ``consumers`` stand at `loc`; problems go into `report`."""
    document = validate(ConsumersDocument, node, loc, report)
    if document is None:
        return {}
    built: dict[str, tuple[Consumer, ...]] = {}
    for side in SIDES:
        named: Mapping[str, ConsumerDocument] | None = getattr(document, side)
        if named is None:
            continue
        for name, one in named.items():
            place: Loc = (*loc, side, name)
            for text in _problems(one):
                report.add((node.get(side, name) or node).mark, dotted(place), f"{dotted(place)}: {text}")
        built[side] = tuple(_consumer(name, one) for name, one in sorted(named.items()))
    return built


def _problems(one: ConsumerDocument) -> Iterator[str]:
    if one.url is None:
        given = [key for key in _ASKING if getattr(one, key) is not None]
        if given:
            yield f"`{given[0]}` needs `url`: without one nobody is asked"
        return
    if one.generation is None:
        yield "`url` needs `generation`: the member of the answer that holds the version id"
    if one.url.startswith("http://") and not loopback(one.url):
        yield "a consumer is asked over https:// only (http:// to this host's loopback excepted)"


def _consumer(name: str, one: ConsumerDocument) -> Consumer:
    if one.url is None:
        return Consumer(name=name)
    asked = ProbeDocument.model_construct(
        type="http",
        url=one.url,
        seen_as=one.generation,
        server_name=one.server_name,
        ca_file=one.ca_file,
        proxy=one.proxy,
        run_from=one.run_from,
        timeout=one.timeout,
    )
    return Consumer(name=name, probe=replace(probe_of(asked), type=TYPE))
