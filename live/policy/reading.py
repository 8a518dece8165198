"""What the clusters hold that policy is held against."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.policy.api import INJECTORS, NAMESPACES, PODS, SERVICES, Api, Kind, Kinds
from live.policy.contents import alike, service
from live.policy.injection import selectors, selects
from live.reachability import UnreachableError, explained
from policy.document import Document
from policy.hosts import full_name, service_of
from policy.provenance import STACK, label_value
from policy.world import Live, Placed

CALLS = 4
# As many as there are machines, and registered by the machines: endpoints more than policy.
NOT_LISTED = {"WorkloadEntry"}
Object = Mapping[str, Any]
Identity = tuple[str, str, str, str]


@dataclass(frozen=True)
class Held:
    """What one cluster holds.

    Attributes:
        live: its Services, pods, namespaces, kinds, and the policy that is not this stack's.
        own: this stack's policy as it is live, by group, kind, namespace and name.
        kinds: the kinds that it serves, in every version.
    """

    live: Live
    own: Mapping[Identity, Object] = field(default_factory=dict)
    kinds: Kinds = field(default_factory=Kinds)


@dataclass(frozen=True)
class Readings:
    """What the clusters that could be read hold.

    Attributes:
        held: by Istio's cluster name.
        unread: by Istio's cluster name, why a cluster is not in ``held``: cause and cure.
    """

    held: Mapping[str, Held] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def live(self) -> dict[str, Live]:
        """By Istio's cluster name, for the checks."""
        return {name: held.live for name, held in self.held.items()}


def read_all(accesses: Mapping[str, ClusterAccess], stack: str, placed: Sequence[Placed]) -> Readings:
    """Read every cluster, all at once; one that does not answer costs its own timeout and nothing else.

    Args:
        accesses: the clusters, by Istio's name.
        stack: the stack's name: its label tells own policy from that of others.
        placed: the declared policy: it says which namespaces' pods are looked at.
    """
    if not accesses:
        return Readings()
    held: dict[str, Held] = {}
    unread: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=len(accesses)) as pool:
        futures = {name: pool.submit(read_live, access, stack, placed) for name, access in accesses.items()}
    for name, future in futures.items():
        try:
            held[name] = future.result()
        except UnreachableError as error:
            unread[name] = f"{error.cause}. {error.cure}"
    return Readings(held, unread)


def read_live(access: ClusterAccess, stack: str, placed: Sequence[Placed]) -> Held:
    """Read one cluster: all Services and policy, and the pods of the namespaces that policy concerns.

    Args:
        access: the cluster.
        stack: the stack's name.
        placed: the declared policy.

    Raises:
        UnreachableError: the API server does not answer, or refuses something of it.
    """
    what = "reading what policy is held against (docs/security.md names the rights)"
    with explained(access, what), api_client(access) as client, ThreadPoolExecutor(max_workers=CALLS) as pool:
        api = Api(client)
        services = pool.submit(list, api.list(SERVICES))
        namespaces = pool.submit(list, api.list(NAMESPACES))
        injecting = pool.submit(list, api.list(INJECTORS))
        kinds = api.kinds()
        names = {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in namespaces.result()}
        pods = pool.map(lambda name: alike(api.list(PODS, name)), sorted(concerned(placed) & names.keys()))
        lists = pool.map(lambda kind: list(api.list(kind)), _listed(kinds, placed))
        policy = [item for items in lists for item in items]
        # A Service of the name of a declared one is either of this stack or in its way.
        declared = {p.document.identity for p in placed}
        policy += [item for item in services.result() if identity(item) in declared]
        injected = selectors(injecting.result())
        own = {identity(item): item for item in policy if is_own(item, stack)}
        live = Live(
            services=tuple(service(item) for item in services.result()),
            pods=tuple(group for groups in pods for group in groups),
            namespaces={name: any(selects(s, labels) for s in injected) for name, labels in names.items()},
            kinds=frozenset(f"{kind.group}/{kind.kind}" for kind in kinds.served),
            others=tuple(item for item in policy if not is_own(item, stack)),
        )
    return Held(live, own, kinds)


def identity(item: Object) -> Identity:
    """What no two objects of one cluster share: group, kind, namespace, name."""
    group, slash, _ = str(item["apiVersion"]).partition("/")
    metadata = item["metadata"]
    return group if slash else "", str(item["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"])


def is_own(item: Object, stack: str) -> bool:
    """Whether an object carries the label of this stack."""
    return (item["metadata"].get("labels") or {}).get(STACK) == label_value(stack)


def concerned(placed: Sequence[Placed]) -> set[str]:
    """Namespaces of the documents, and of the Services that they name.

    Args:
        placed: the declared policy.
    """
    return {name for each in placed for name in (each.document.namespace, *_named(each.document, each.document.body))}


def _named(document: Document, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key in {"host", "hosts"}:
                for host in each if isinstance(each, list) else [each]:
                    yield from _namespace(document, str(host))
            elif key == "backendRefs" and isinstance(each, list):
                yield from (str(ref["namespace"]) for ref in each if isinstance(ref, Mapping) and ref.get("namespace"))
            else:
                yield from _named(document, each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(document, each)


def _namespace(document: Document, host: str) -> Iterator[str]:
    # A Sidecar's hosts begin with a namespace.
    if (found := service_of(full_name(host.rpartition("/")[2], document.namespace))) is not None:
        yield found[0]


def _listed(kinds: Kinds, placed: Sequence[Placed]) -> list[Kind]:
    wanted = {(p.document.group, p.document.kind) for p in placed}
    return [k for k in kinds.listed() if k.kind not in NOT_LISTED or (k.group, k.kind) in wanted]
