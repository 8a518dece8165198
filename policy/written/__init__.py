"""The objects that the stack's typed helpers and declared Services stand for."""

from collections.abc import Iterable, Iterator

from policy.document import Document
from policy.written import traffic
from policy.written.services import KEY, is_stub, stub
from topology import Mesh
from topology.facts import chosen
from topology.policy import CanaryItem, LocalityFailoverItem, Narrowed

__all__ = ["is_stub", "stub", "traffic", "written"]

Helper = CanaryItem | LocalityFailoverItem


def written(mesh: Mesh) -> list[tuple[Document, Narrowed]]:
    """What the ``canary`` and ``localityFailover`` items and the ``services`` of a mesh stand for.

    What helpers say of one Service is one VirtualService and one DestinationRule in each cluster. The subsets of a
    canary go to all clusters, wherever its weights go: clients there do not use them, east-west gateways do.

    Args:
        mesh: the declared mesh, checked.

    Returns:
        Each document, its file the key of the first item that says so, and which clusters it goes to.
    """
    helpers: dict[str, list[tuple[str, Helper]]] = {}
    for index, item in enumerate(mesh.policies):
        if isinstance(item, CanaryItem | LocalityFailoverItem):
            helpers.setdefault(_service(item), []).append((f"spanmesh:mesh.policies[{index}]", item))
    documents = [each for of_service in helpers.values() for each in _of_service(mesh, of_service)]
    for index, declared in enumerate(mesh.services):
        others = [c.name for c in mesh.clusters if c.name not in declared.served_by]
        documents.append((stub(declared, f"{KEY}{index}]"), Narrowed(clusters=others)))
    return documents


def _service(item: Helper) -> str:
    return item.canary.service if isinstance(item, CanaryItem) else item.locality_failover.service


def _of_service(mesh: Mesh, helpers: list[tuple[str, Helper]]) -> Iterator[tuple[Document, Narrowed]]:
    alike: list[tuple[Document, list[str]]] = []
    for cluster in (c.name for c in mesh.clusters):
        for document in _in_cluster(mesh, helpers, cluster):
            clusters = next((names for other, names in alike if other == document), None)
            if clusters is None:
                alike.append((document, [cluster]))
            else:
                clusters.append(cluster)
    for document, names in alike:
        yield document, Narrowed(clusters=names) if len(names) < len(mesh.clusters) else Narrowed()


def _in_cluster(mesh: Mesh, helpers: list[tuple[str, Helper]], cluster: str) -> Iterable[Document]:
    here = [(key, item) for key, item in helpers if cluster in chosen(mesh, item)]
    canary = next((item.canary for _, item in here if isinstance(item, CanaryItem)), None)
    failover = next((item.locality_failover for _, item in here if isinstance(item, LocalityFailoverItem)), None)
    versions = [item.canary for _, item in helpers if isinstance(item, CanaryItem) and item.canary is not canary]
    if not (canary or failover or versions):
        return ()
    # Subsets alone stand there for the canaries elsewhere.
    of = here or [(key, item) for key, item in helpers if isinstance(item, CanaryItem)]
    acknowledge = {code: reason for _, item in of for code, reason in item.acknowledge.items()}
    return traffic.documents(of[0][0], canary, failover, versions, acknowledge)
