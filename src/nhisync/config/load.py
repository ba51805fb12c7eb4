"""From ``nhisync.yaml`` to a `Configuration`, or to every problem at once. Nothing is contacted."""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from nhisync.config.apps import Known, build_app
from nhisync.config.documents import (
    AttestationsDocument,
    AttesterDocument,
    ConfigurationDocument,
    ListenerDocument,
    OperatorDocument,
    PathDocument,
    ProvidersDocument,
    PublishDocument,
    SigningDocument,
    SourceDocument,
    TlsDocument,
    WaiverDocument,
)
from nhisync.config.fields import RULE_CODE, AppName, split_bind
from nhisync.config.policies import Policies, digest_of, load_policies
from nhisync.config.probes import loopback
from nhisync.config.problems import Loc, Report, dotted, nearest
from nhisync.config.reading import YamlFile, read_yaml
from nhisync.config.secrecy import is_name, shown
from nhisync.config.settings import Declared, Kinds, Offered, check_source
from nhisync.config.tree import Node
from nhisync.config.validation import refuse_empty, validate
from nhisync.config.values import (
    AppDetails,
    Attester,
    Bind,
    Configuration,
    Listener,
    Operator,
    PathConfig,
    Publish,
    Signing,
    SourceConfig,
    Tls,
)
from nhisync.errors import ConfigurationError
from nhisync.model import App, Waiver
from nhisync.parity.rules import BY_CODE
from nhisync.spi.files import expanded

D = TypeVar("D", bound=BaseModel)

SNAPSHOT = "nhisync.snapshot"
"""Name of the listener's file where the store is no file."""

_APP_NAME: TypeAdapter[str] = TypeAdapter(AppName)


def load(
    file: Path,
    *,
    policies: Path | None = None,
    offered: Offered | None = None,
    codes: Collection[str] | None = None,
) -> Configuration:
    """Read and check a configuration file.

    Args:
        file: the file, as the user named it.
        policies: folder with policy files, instead of the configured one.
        offered: loads the providers' declarations; None = what only a provider knows is not checked.
        codes: known rule codes; None = any code of the right form.

    Raises:
        ConfigurationError: with all problems of the file and of the policy files.
    """
    yaml = read_yaml(file)
    return _Loader(file, yaml, policies, offered, codes).load()


class _Loader:
    def __init__(
        self,
        file: Path,
        yaml: YamlFile,
        policies: Path | None,
        offered: Offered | None,
        codes: Collection[str] | None,
    ) -> None:
        self._file, self._yaml, self._root = file, yaml, yaml.root
        self._base = Path(os.path.abspath(file)).parent
        self._report = yaml.report()
        self._wanted_policies, self._codes = policies, codes
        self._declared = self._declarations(offered) if offered else None
        self._kinds: dict[tuple[str, str], Kinds] = {}

    def load(self) -> Configuration:
        """Check every part, then build, so that no problem hides another."""
        refuse_empty(self._root, (), self._report)
        document = validate(ConfigurationDocument, self._root, (), self._report)
        policies = self._policies()
        paths = self._paths()
        apps = self._apps(policies, paths)
        waivers = self._waivers()
        listener, operator = self._listener(), self._operator()
        attesters, inbox = self._attesters(), self._inbox()
        signing, publish = self._signing(), self._publish(document)
        problems = (*self._report.problems(), *policies.problems)
        if problems or document is None or publish is None:
            raise ConfigurationError(problems)
        return Configuration(
            file=self._file,
            base=self._base,
            store_url=self._store_url(document.store.url),
            policies=self._policies_folder(),
            paths={path.name: path for path in paths.values() if path},
            apps=tuple(app for app, _ in apps),
            details={app.name: details for app, details in apps},
            tiers=policies.tiers,
            waivers=tuple(waivers),
            listener=listener,
            operator=operator,
            attesters=attesters,
            inbox=inbox,
            signing=signing,
            publish=publish,
            allow=tuple(document.providers.allow),
            digest=digest_of(
                {"document": self._root.value, "tiers": {name: tier.digest for name, tier in policies.tiers.items()}}
            ),
            document=self._yaml,
        )

    def _declarations(self, offered: Offered) -> Declared | None:
        """Declarations of the providers that may be imported; None when nobody can tell which those are."""
        node = self._root.get("providers")
        document = validate(ProvidersDocument, node, (), Report("")) if node else ProvidersDocument()
        return None if document is None else offered(document.allow)

    def _note(self, node: Node, loc: Loc, text: str, suggestion: str = "") -> None:
        self._report.add(node.mark, dotted(loc), f"{dotted(loc)}: {text}", suggestion=suggestion)

    def _entries(self, key: str) -> list[tuple[str, Node]]:
        node = self._root.get(key)
        return node.entries() if node else []

    def _section(self, model: type[D], key: str) -> D | None:
        node = self._root.get(key)
        return None if node is None else validate(model, node, (key,), self._report)

    def _resolved(self, name: str) -> Path:
        return self._base / expanded(name)

    def _maybe(self, name: str | None) -> Path | None:
        return None if name is None else self._resolved(name)

    def _policies_folder(self) -> Path | None:
        node = self._root.get("policies")
        named = node.value if node else None
        if self._wanted_policies is not None:
            return self._wanted_policies
        return self._resolved(named) if isinstance(named, str) and named else None

    def _policies(self) -> Policies:
        folder = self._policies_folder()
        name = str(self._wanted_policies or "")
        if folder is not None and not name:
            name = os.path.relpath(folder, self._base) if folder.is_relative_to(self._base) else str(folder)
            name = str(self._file.parent / name)
        return load_policies(folder, name=name, codes=self._codes)

    def _paths(self) -> dict[str, PathConfig | None]:
        return {name: self._path(name, node) for name, node in self._entries("paths")}

    def _path(self, name: str, node: Node) -> PathConfig | None:
        loc: Loc = ("paths", name)
        document = validate(PathDocument, node, loc, self._report)
        region = document.region if document else None
        listed = node.get("sources")
        entries = listed.entries() if listed else []
        found = [self._source(key, child, (*loc, "sources", key), region) for key, child in entries]
        sources = {source.name: source for source in found if source}
        if document is None or len(sources) < len(entries):
            return None
        domains = document.fault_domains or [source.domain for source in sources.values() if source.domain]
        return PathConfig(
            name=name,
            region=region,
            fault_domains=tuple(sorted(set(domains))),
            sources=sources,
            substitutions=self._substitutions(document.substitutions, node, loc),
            runner=tuple(document.runner.command) if document.runner else (),
        )

    def _substitutions(self, named: Mapping[str, str], node: Node, loc: Loc) -> dict[str, str]:
        """Two names of one value could not be told apart in a text."""
        seen: dict[str, str] = {}
        for name, value in named.items():
            if value in seen:
                place = node.get("substitutions", name) or node
                self._note(
                    place, (*loc, "substitutions", name), f"has the value of `{seen[value]}`; one name is enough"
                )
            seen.setdefault(value, name)
        return dict(named)

    def _source(self, name: str, node: Node, loc: Loc, region: str | None) -> SourceConfig | None:
        document = validate(SourceDocument, node, loc, self._report)
        if document is None:
            return None
        source = SourceConfig(
            name=name,
            provider=document.provider,
            region=document.region or region,
            document=node.value,
            position=node.mark,
        )
        kinds = check_source(source, node, loc, self._declared, self._report) if self._declared else None
        if kinds is not None:
            self._kinds[str(loc[1]), name] = kinds
        return source

    def _apps(self, policies: Policies, paths: Mapping[str, PathConfig | None]) -> list[tuple[App, AppDetails]]:
        known = Known(
            sources={name: _sources(path, self._root.get("paths", name, "sources")) for name, path in paths.items()},
            kinds=self._kinds,
            tiers=policies.names,
            alone=frozenset(name for name, path in paths.items() if path and not path.runner),
            report=self._report,
        )
        entries = self._entries("apps")
        # A wrong name is a problem already; what stands below it is checked all the same, and then goes nowhere.
        built = [build_app(name, node, known) for name, node in entries if _is_app_name(name) or is_name(name)]
        return [one for one in built if one]

    def _waivers(self) -> list[Waiver]:
        node = self._root.get("waivers")
        found = [self._waiver(child, ("waivers", i)) for i, child in enumerate(node.items() if node else [])]
        return [waiver for waiver in found if waiver]

    def _waiver(self, node: Node, loc: Loc) -> Waiver | None:
        document = validate(WaiverDocument, node, loc, self._report)
        named = node.get("pair")
        if named is not None and isinstance(named.value, str) and "/" in named.value:
            self._check_waived_pair(named.value.strip(), named, loc)
        code = node.get("code")
        if code is not None and isinstance(code.value, str) and re.fullmatch(RULE_CODE, code.value):
            self._check_waived_code(code.value, code, (*loc, "code"))
        if document is None:
            return None
        return Waiver(
            pair=document.pair,
            code=document.code,
            until=document.until,
            approved_by=document.approved_by,
            reason=document.reason,
            ticket=document.ticket,
            origin=f"{self._yaml.name}:{node.mark.line}",
        )

    def _check_waived_code(self, code: str, node: Node, loc: Loc) -> None:
        """A waiver that could never take effect would look like an accepted risk (ADR 1)."""
        if self._codes is not None and code not in self._codes:
            self._note(node, loc, f"there is no rule `{code}`", nearest(code, self._codes))
        elif code in BY_CODE and not BY_CODE[code].info.fails:
            text = (
                f"`{code}` is never a failure, only unknown, and an unknown cannot be waived; mend what hides it, or "
            )
            self._note(node, loc, f"{text}set `class: exempt` on the pair, with owner, until and reason")

    def _check_waived_pair(self, key: str, node: Node, loc: Loc) -> None:
        """A pair named by hand must exist; in an app with templates any name may come from one of them."""
        app, _, _ = key.partition("/")
        entry = self._root.get("apps", app)
        if entry is None:
            apps = [name for name, _ in self._entries("apps")]
            self._note(node, (*loc, "pair"), f"there is no app `{shown(app)}`", nearest(app, apps))
            return
        listed, templates = entry.get("pairs"), entry.get("match")
        pairs = [f"{app}/{pair.value['name']}" for pair in (listed.items() if listed else []) if pair.get("name")]
        if key not in pairs and not (templates and templates.children):
            self._note(node, (*loc, "pair"), f"there is no pair `{shown(key)}`", nearest(key, pairs))

    def _tls(self, document: TlsDocument | None) -> Tls | None:
        if document is None:
            return None
        return Tls(
            cert=self._resolved(document.cert),
            key=self._resolved(document.key),
            client_ca=self._maybe(document.client_ca),
        )

    def _listener(self) -> Listener | None:
        document = self._section(ListenerDocument, "listener")
        if document is None:
            return None
        return Listener(
            bind=_bind(document.bind),
            tls=self._tls(document.tls),
            public_profile=document.public_profile,
            agent_bind=_bind(document.agent_bind) if document.agent_bind else None,
        )

    def _operator(self) -> Operator | None:
        document = self._section(OperatorDocument, "operator")
        node = self._root.get("operator")
        if document is None or node is None:
            return None
        bind, tls = _bind(document.bind), self._tls(document.tls)
        if document.token_file is None and (tls is None or tls.client_ca is None):
            self._note(node, ("operator",), "needs `token_file` or `tls.client_ca`; operators are always authenticated")
        if tls is None and not loopback(f"tcp://{document.bind}"):
            place = node.get("bind") or node
            self._note(place, ("operator", "bind"), "needs `tls`: only loopback is served without it")
        return Operator(bind=bind, tls=tls, token_file=self._maybe(document.token_file))

    def _attesters(self) -> dict[str, Attester]:
        found = {}
        for name, node in self._entries("attesters"):
            document = validate(AttesterDocument, node, ("attesters", name), self._report)
            if document is not None:
                key_file = self._resolved(document.key_file)
                found[name] = Attester(key_file=key_file, kinds=frozenset(document.kinds))
        return found

    def _inbox(self) -> Path | None:
        document, node = self._section(AttestationsDocument, "attestations"), self._root.get("attestations")
        if document is None or node is None:
            return None
        if self._root.get("attesters") is None:
            self._note(node, ("attestations",), "needs `attesters`: whose signature would count otherwise?")
        return self._resolved(document.inbox)

    def _signing(self) -> Signing | None:
        document = self._section(SigningDocument, "signing")
        if document is None:
            return None
        return Signing(key_file=self._resolved(document.key_file), next_key_file=self._maybe(document.next_key_file))

    def _publish(self, whole: ConfigurationDocument | None) -> Publish | None:
        document = self._section(PublishDocument, "publish") if self._root.get("publish") else PublishDocument()
        if document is None or whole is None:
            return None
        files = document.files
        return Publish(
            snapshot=self._maybe(files.snapshot) or self._snapshot(whole.store.url),
            statement=self._maybe(files.statement),
            gdnsd_extfile=self._maybe(files.gdnsd_extfile),
            track_file=self._maybe(files.track_file),
            webhook=document.webhook.url if document.webhook else None,
            command=tuple(document.exec.command) if document.exec else (),
        )

    def _snapshot(self, store: str) -> Path:
        """Beside an SQLite store under its name, else in the configuration's folder."""
        kind, _, file = store.partition(":///")
        return (
            self._resolved(file.partition("?")[0]).with_suffix(".snapshot")
            if kind == "sqlite"
            else (self._base / SNAPSHOT)
        )

    def _store_url(self, url: str) -> str:
        kind, _, rest = url.partition(":///")
        if kind != "sqlite":
            return url
        file, mark, query = rest.partition("?")
        return f"sqlite:///{self._resolved(file)}{mark}{query}"


def _is_app_name(name: str) -> bool:
    try:
        _APP_NAME.validate_python(name)
    except ValidationError:
        return False
    return True


def _sources(path: PathConfig | None, node: Node | None) -> dict[str, dict[str, Any]] | None:
    """Source → what makes it that source (limits do not); {} where that could not be read."""
    if path is None:
        return {name: {} for name, _ in node.entries()} if node else None
    return {
        name: {**{key: value for key, value in source.document.items() if key != "limits"}, "region": source.region}
        for name, source in path.sources.items()
    }


def _bind(text: str) -> Bind:
    return Bind(*split_bind(text))
