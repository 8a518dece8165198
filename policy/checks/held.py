"""What each cluster holds of routes and DestinationRules, by host: declared, and live of others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from policy.checks.facts import Facts
from policy.checks.reach import mesh_config
from policy.checks.routes import mapping, mappings, whole
from policy.document import Document, Path
from policy.hosts import full_name, service_of

MESH_GATEWAY = "mesh"
EVERYWHERE = "*"
# Keys of meshConfig that say who sees what does not say so itself.
DEFAULT_EXPORT = {
    "DestinationRule": "defaultDestinationRuleExportTo",
    "VirtualService": "defaultVirtualServiceExportTo",
}
FIELDS = ("loadBalancer", "connectionPool", "outlierDetection", "tls")


@dataclass(frozen=True)
class Held:
    """An object and the clusters that hold it.

    Attributes:
        document: the object; of a live one of others, no file.
        clusters: where it is, in the mesh's order; without a mesh one cluster that has no name.
        declared: whether it is of this mesh's policy.
        default_export: namespaces that see it where it does not say so itself.
    """

    document: Document
    clusters: tuple[str, ...]
    declared: bool = True
    default_export: tuple[str, ...] = (EVERYWHERE,)

    @property
    def seen_in(self) -> tuple[str, ...]:
        """Namespaces whose proxies see it; ``*`` alone for all (spec.exportTo)."""
        names = tuple(str(name) for name in items(self.document.spec, "exportTo")) or self.default_export
        return (
            (EVERYWHERE,) if EVERYWHERE in names else tuple(n if n != "." else self.document.namespace for n in names)
        )

    def seen_from(self, namespace: str) -> bool:
        """Whether proxies of a namespace see it."""
        return bool({EVERYWHERE, namespace} & set(self.seen_in))

    @cached_property
    def subsets(self) -> Mapping[str, tuple[Path, Mapping[str, str]]]:
        """Path and labels of each subset of a DestinationRule."""
        return {
            str(subset.get("name")): (
                ("spec", "subsets", index),
                {str(k): str(v) for k, v in mapping(subset.get("labels")).items()},
            )
            for index, subset in mappings(self.document.spec.get("subsets"))
        }

    @property
    def where(self) -> str:
        """The object as a message names it, with its place in the files."""
        document = self.document
        return f"{document} ({document.file}:{document.line})" if self.declared else f"{document}, of another owner"


@dataclass(frozen=True)
class Settings:
    """A trafficPolicy as it holds for a host, a subset or a port of it, after Istio's inheritance.

    Attributes:
        subset: the subset; empty: requests that name none.
        port: number of the port; None: every port that has no settings of its own.
        path: where it is written, or would be.
        fields: what holds, and where in the document that is written.
    """

    subset: str
    port: int | None
    path: Path
    fields: Mapping[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Mapping[str, Any] | None:
        found = self.fields.get(name)
        return found[0] if found else None

    def written(self, name: str) -> Path:
        """Path of what holds; of the settings themselves where nothing does."""
        found = self.fields.get(name)
        return found[1] if found else self.path

    def __str__(self) -> str:
        parts = (f"subset {self.subset}" if self.subset else "", f"port {self.port}" if self.port else "")
        return ", ".join(part for part in parts if part)


class Policy:
    """VirtualServices and DestinationRules by cluster and host."""

    def __init__(self, facts: Facts) -> None:
        self.of_kind: dict[str, list[Held]] = {}
        exports = {kind: mesh_config(facts.world, key) for kind, key in DEFAULT_EXPORT.items()}
        self._exports = {kind: tuple(map(str, names)) for kind, names in exports.items() if isinstance(names, list)}
        taken: set[tuple[str, tuple[str, str, str, str]]] = set()
        for placed in facts.world.placed:
            clusters = facts.where(placed)
            self._add(placed.document, clusters, declared=True)
            taken.update((cluster, placed.document.identity) for cluster in clusters)
        for cluster, live in facts.world.live.items():
            for document in (Document("", 0, body) for body in live.others):
                # One of the same name is the same object, not a second one: whose it is, others tell.
                if (cluster, document.identity) not in taken:
                    self._add(document, (cluster,), declared=False)
        self._rules: dict[tuple[str, str], list[Held]] = {}
        self._routes: dict[tuple[str, str], list[Held]] = {}
        for held in self.of_kind.get("DestinationRule", ()):
            _index(self._rules, held, [rule_host(held.document)])
        for held in self.of_kind.get("VirtualService", ()):
            _index(self._routes, held, route_hosts(held.document))

    def _add(self, document: Document, clusters: tuple[str, ...], *, declared: bool) -> None:
        held = Held(document, clusters, declared, self._exports.get(document.kind) or (EVERYWHERE,))
        self.of_kind.setdefault(document.kind, []).append(held)

    def declared(self, *kinds: str) -> Iterator[Held]:
        """What is declared of these kinds."""
        for kind in kinds:
            yield from (held for held in self.of_kind.get(kind, ()) if held.declared)

    def rules(self, cluster: str, host: str) -> list[Held]:
        """DestinationRules written for exactly this host."""
        return self._rules.get((cluster, host), [])

    def rules_for(self, cluster: str, host: str) -> list[Held]:
        """DestinationRules of a host, or else of the most specific wildcard that it matches."""
        if found := self.rules(cluster, host):
            return found
        _, *rest = host.split(".")
        for start in range(len(rest)):
            if found := self.rules(cluster, ".".join(["*", *rest[start:]])):
                return found
        return self.rules(cluster, "*")

    def routes(self, cluster: str, host: str) -> list[Held]:
        """VirtualServices that sidecars use for exactly this host."""
        return self._routes.get((cluster, host), [])

    def hosts_of_rules(self) -> dict[tuple[str, str], list[Held]]:
        """DestinationRules by cluster and host."""
        return self._rules

    def hosts_of_routes(self) -> dict[tuple[str, str], list[Held]]:
        """VirtualServices that sidecars use, by cluster and host."""
        return self._routes


def _index(index: dict[tuple[str, str], list[Held]], held: Held, hosts: list[str]) -> None:
    for host in dict.fromkeys(hosts):
        for cluster in held.clusters:
            index.setdefault((cluster, host), []).append(held)


def rule_host(document: Document) -> str:
    """The host of a DestinationRule, in full."""
    return full_name(str(document.spec.get("host") or ""), document.namespace)


def route_hosts(document: Document) -> list[str]:
    """Hosts whose requests from sidecars a VirtualService routes, in full; none where it is bound to gateways only."""
    gateways = items(document.spec, "gateways")
    if gateways and MESH_GATEWAY not in gateways:
        return []
    return [full_name(str(host), document.namespace) for host in items(document.spec, "hosts")]


def settings(document: Document) -> Iterator[Settings]:
    """Every trafficPolicy of a DestinationRule as it holds.

    A subset overrides single fields of the host's policy; settings of a port replace all of them
    (https://istio.io/latest/docs/reference/config/networking/destination-rule/#TrafficPolicy-PortTrafficPolicy).
    """
    path: Path = ("spec", "trafficPolicy")
    policy = mapping(document.spec.get("trafficPolicy"))
    top = Settings("", None, path, _fields(policy, path))
    ports = list(_ports(policy, path, ""))
    yield top
    yield from ports
    for index, subset in mappings(document.spec.get("subsets")):
        name = str(subset.get("name") or "")
        inner: Path = ("spec", "subsets", index, "trafficPolicy")
        own = mapping(subset.get("trafficPolicy"))
        fields = _fields(own, inner)
        yield Settings(name, None, inner if own else path, {**top.fields, **fields})
        own_ports = list(_ports(own, inner, name))
        yield from own_ports
        numbers = {port.port for port in own_ports}
        for port in ports:
            if fields and port.port not in numbers:
                yield Settings(name, port.port, port.path, {**port.fields, **fields})


def _ports(policy: Mapping[str, Any], path: Path, subset: str) -> Iterator[Settings]:
    for index, port in mappings(policy.get("portLevelSettings")):
        inner = (*path, "portLevelSettings", index)
        yield Settings(subset, whole(mapping(port.get("port")).get("number")), inner, _fields(port, inner))


def _fields(policy: Mapping[str, Any], path: Path) -> dict[str, tuple[Mapping[str, Any], Path]]:
    return {name: (value, (*path, name)) for name in FIELDS if isinstance(value := policy.get(name), Mapping)}


def selects_workloads(document: Document) -> bool:
    """Whether a DestinationRule holds for some clients only."""
    return bool(document.spec.get("workloadSelector"))


def namespace_of(host: str) -> str:
    """Namespace of the Service that a full host names; empty where it names none."""
    found = service_of(host)
    return found[0] if found else ""


def items(mapping: Mapping[str, Any], key: str) -> list[Any]:
    """The list at a key; empty where there is none, or something else."""
    value = mapping.get(key)
    return value if isinstance(value, list) else []
