"""The objects that the stack's typed helpers and declared Services stand for."""

from policy.document import Document
from policy.written.services import KEY, is_stub, stub
from policy.written.traffic import traffic_policy
from topology import Mesh
from topology.facts import chosen
from topology.policy import CanaryItem, LocalityFailoverItem, Narrowed

__all__ = ["is_stub", "stub", "traffic_policy", "written"]


def written(mesh: Mesh) -> list[tuple[Document, Narrowed]]:
    """What the ``canary`` and ``localityFailover`` items and the ``services`` of a mesh stand for.

    A canary and a locality failover of one Service that go to the same clusters make one VirtualService and one
    DestinationRule; topology/checks/policy.py refuses those that meet in some clusters only.

    Args:
        mesh: the declared mesh, checked.

    Returns:
        Each document, its file the key of the (first) item that says so, and which clusters it goes to.
    """
    items: dict[tuple[str, tuple[str, ...]], list[tuple[str, CanaryItem | LocalityFailoverItem]]] = {}
    for index, item in enumerate(mesh.policies):
        if isinstance(item, CanaryItem | LocalityFailoverItem):
            service = item.canary.service if isinstance(item, CanaryItem) else item.locality_failover.service
            key = f"spanmesh:mesh.policies[{index}]"
            items.setdefault((service, chosen(mesh, item)), []).append((key, item))
    documents: list[tuple[Document, Narrowed]] = []
    for of_service in items.values():
        first_key, first = of_service[0]
        canary = next((item.canary for _, item in of_service if isinstance(item, CanaryItem)), None)
        failover = next(
            (item.locality_failover for _, item in of_service if isinstance(item, LocalityFailoverItem)), None
        )
        documents += [(document, first) for document in traffic_policy(first_key, canary, failover)]
    for index, declared in enumerate(mesh.services):
        others = [c.name for c in mesh.clusters if c.name not in declared.served_by]
        documents.append((stub(declared, f"{KEY}{index}]"), Narrowed(clusters=others)))
    return documents
