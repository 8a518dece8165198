"""Takes everything of a mesh out of clusters, also what `pulumi destroy` leaves and what stays where it fails.

Without it the outcome of a test would depend on those that had the lab before: Helm keeps Istio's CRDs, those of 1.22
without its marks, and a newer mesh takes such for another installer's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from live.client import api_client
from live.kubeconfig import ClusterAccess
from tests.lab.kubectl import eventually
from tests.lab.stacks import LabStack

NAMESPACES = ("istio-system", "sample")
SECONDS = 120


@contextmanager
def nothing_left(*stacks: LabStack) -> Iterator[None]:
    """Destroy stacks after the block, each of which has to work; whether it does or not, nothing of a mesh is left.

    Args:
        stacks: in the order in which they are destroyed.
    """
    accesses = {name: access for stack in stacks for name, access in stack.accesses.items()}
    try:
        yield
    finally:
        ended = [stack.attempt("destroy", "--yes", "--skip-preview") for stack in stacks]
        for access in accesses.values():
            clear(access)
        assert [each.stdout for each in ended if each.returncode] == []


def clear(access: ClusterAccess) -> None:
    """Delete Istio's CRDs, webhooks and rights, and the namespaces of the mesh, and wait until they are gone."""
    with api_client(access) as api:
        assert eventually(lambda: not _deleted(api), SECONDS), f"{access.name}: {_deleted(api)} stay"


def _deleted(api: client.ApiClient) -> list[str]:
    """Names of what there still is, each asked to go."""
    core, hooks = client.CoreV1Api(api), client.AdmissionregistrationV1Api(api)
    rights, crds = client.RbacAuthorizationV1Api(api), client.ApiextensionsV1Api(api)
    of_istio: list[tuple[Callable[[], client.V1NamespaceList], Callable[[str], object]]] = [
        (hooks.list_mutating_webhook_configuration, hooks.delete_mutating_webhook_configuration),
        (hooks.list_validating_webhook_configuration, hooks.delete_validating_webhook_configuration),
        (rights.list_cluster_role_binding, rights.delete_cluster_role_binding),
        (rights.list_cluster_role, rights.delete_cluster_role),
        (crds.list_custom_resource_definition, crds.delete_custom_resource_definition),
    ]
    left = []
    for listed, delete in of_istio:
        left += [_gone(item.metadata.name, delete) for item in listed().items if "istio" in item.metadata.name]
    here = [item.metadata.name for item in core.list_namespace().items]
    return left + [_gone(name, core.delete_namespace) for name in here if name in NAMESPACES]


def _gone(name: str, delete: Callable[[str], object]) -> str:
    try:
        delete(name)
    except ApiException as error:
        # It is gone by now, or on its way.
        if error.status not in (404, 409):
            raise
    return name
