"""Vault policies, their mutants, and the emulator's ACL as the independent judge of them."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from benchmarks.rights.case import Mutant, Outcome, outcome, replaced, texts, without
from nhisync.parity.rights import Rights, compare
from nhisync.spi import Syntax
from nhisync_vault.emulator.acl import Acl, parse_policy
from nhisync_vault.emulator.wire import Operation, Request
from nhisync_vault.rights import rights_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)
OPERATIONS = (Operation.READ, Operation.CREATE, Operation.UPDATE, Operation.DELETE, Operation.LIST)

Parameters = tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One path block; parameters are (setting, name, values)."""

    path: str
    words: tuple[str, ...]
    parameters: Parameters = ()

    def text(self) -> str:
        """As HCL."""
        lines = [f"  capabilities = {json.dumps(list(self.words))}"]
        for setting in sorted({one[0] for one in self.parameters}):
            inner = " ".join(f"{json.dumps(n)} = {json.dumps(list(v))}" for s, n, v in self.parameters if s == setting)
            lines.append(f"  {setting} = {{ {inner} }}")
        return f"path {json.dumps(self.path)} {{\n" + "\n".join(lines) + "\n}\n"


Policy = tuple[Block, ...]

BASES: tuple[Policy, ...] = (
    (
        Block("secret/data/pay/*", ("read",)),
        Block("secret/metadata/pay/*", ("list", "read")),
        Block("secret/data/pay/root", ("deny",)),
        Block("database/creds/pay", ("read",)),
        Block("transit/encrypt/pay", ("update",), (("allowed_parameters", "plaintext", ()),)),
        Block("auth/token/renew-self", ("update",), (("denied_parameters", "increment", ("999h",)),)),
    ),
    (
        Block("secret/data/+/shared", ("read",)),
        Block("secret/data/+/config/*", ("create", "read", "update")),
        Block("secret/data/ops/*", ("create", "delete", "list", "read", "update")),
        Block("sys/leases/+/lookup", ("update",)),
        Block("secret/*", ("list",)),
    ),
)
"""A service with a denied path and parameters, and an operator with one-segment wildcards."""


def mutants() -> Iterator[Mutant[Policy]]:
    """Every fault at every place it fits."""
    for base in BASES:
        yield from (Mutant(operator, base, policy) for operator, policy in _of_policy(base))


def _of_policy(base: Policy) -> Iterator[tuple[str, Policy]]:
    for rest in without(base):
        yield "path dropped", rest
    for index, block in enumerate(base):
        for operator, changed in _of_block(block):
            yield operator, (*base[:index], changed, *base[index + 1 :])
        yield "deny added", (*base, Block(block.path, ("deny",)))
        yield "deny added below", (*base, Block(f"{block.path.removesuffix('*').rstrip('/')}/one", ("deny",)))
        yield "path repeated", (*base, block)
    yield "paths reordered", base[::-1]
    yield "all added", (*base, Block("*", ("read", "list")))


def _of_block(block: Block) -> Iterator[tuple[str, Block]]:
    for rest in without(block.words):
        yield "capability dropped", replace(block, words=rest)
    for word in ("read", "delete", "list", "deny"):
        if word not in block.words:
            yield "capability added", replace(block, words=(*block.words, word))
    for operator, change in _PATHS.items():
        yield from ((operator, replace(block, path=path)) for (path,) in replaced((block.path,), change))
    for rest_of in without(block.parameters):
        yield "parameter dropped", replace(block, parameters=rest_of)
    for some in replaced(block.parameters, lambda p: (p[0], p[1], ("1h",))):
        yield "parameter limited", replace(block, parameters=some)
    if "update" in block.words:
        limit = ("allowed_parameters", "plaintext", ("one",))
        yield "parameter added", replace(block, parameters=(*(p for p in block.parameters if p[0] != limit[0]), limit))


def _segment(path: str, new: str) -> str:
    head, slash, tail = path.removesuffix("/*").rpartition("/")
    return f"{head}{slash}{new}{path[len(head) + len(slash) + len(tail) :]}"


_PATHS = {
    "path widened": lambda path: path if path.endswith("*") else f"{path}*",
    "path narrowed": lambda path: path.replace("*", "one"),
    "path narrowed to a folder": lambda path: path.replace("/*", "/one/*"),
    "* made +": lambda path: path.replace("*", "+"),
    "+ made a name": lambda path: path.replace("+", "one"),
    "name made +": lambda path: _segment(path, "+"),
    "path misspelt": lambda path: _segment(path, "others"),
    "path of another mount": lambda path: f"kv/{path.partition('/')[2]}" if "/" in path else path,
    "path with a leading slash": lambda path: f"/{path}",
}


def judged(mutant: Mutant[Policy]) -> Outcome:
    """The comparison beside brute force over all requests that base and mutant could tell apart."""
    asked = list(_requests(mutant.base, mutant.policy))
    found = compare(_rights(mutant.base), _rights(mutant.policy))
    return outcome(mutant.operator, _allowed(mutant.base, asked), _allowed(mutant.policy, asked), found)


def _text(policy: Policy) -> str:
    return "".join(block.text() for block in policy)


def _rights(policy: Policy) -> Rights:
    found, _ = rights_of([("p", _text(policy))], NOW)
    return Rights(0, "vault", Syntax.PATH, found)


def _allowed(policy: Policy, asked: list[tuple[Operation, str, dict[str, Any]]]) -> list[bool]:
    acl = Acl(parse_policy(_text(policy)), root=False, now=NOW)
    return [acl.allows(Request(operation=op, path=path, data=dict(data))) for op, path, data in asked]


def _requests(*policies: Policy) -> Iterator[tuple[Operation, str, dict[str, Any]]]:
    blocks = [block for policy in policies for block in policy]
    segments = {one for block in blocks for one in block.path.split("/")} - {"", "*", "+"}
    paths = texts({block.path.lstrip("/") for block in blocks}, (*sorted(segments), "x/one", "", "x", "one"), "*+")
    paths += [f"{path}/one" for path in paths] + [f"{path}/" for path in paths]
    names = {name for block in blocks for _, name, _ in block.parameters}
    values = {value for block in blocks for _, _, some in block.parameters for value in some} | {"neither"}
    bodies: list[dict[str, Any]] = [{}, *({name: value} for name in sorted(names) for value in sorted(values))]
    for operation, path in itertools.product(OPERATIONS, sorted(set(paths))):
        if operation is Operation.LIST:
            yield operation, f"{path.rstrip('/')}/", {}
        elif operation in (Operation.CREATE, Operation.UPDATE):
            yield from ((operation, path, body) for body in (*bodies, {"other": "x"}))
        else:
            yield operation, path, {}
