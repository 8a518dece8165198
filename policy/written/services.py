"""A Service declared where it does not run."""

from typing import Any

from policy.document import Document
from topology.policy import DeclaredService

# There are no endpoints to wait for: https://www.pulumi.com/docs/iac/guides/clouds/kubernetes/await-logic/
SKIP_AWAIT = "pulumi.com/skipAwait"
KEY = "spanmesh:mesh.services["


def stub(declared: DeclaredService, file: str) -> Document:
    """The Service without selector: a name and an address in this cluster, endpoints in those that run it.

    istiod joins the Services of one name and namespace over all clusters, by port name
    (https://istio.io/latest/docs/ops/configuration/traffic-management/multicluster/).

    Args:
        declared: what the stack says of it.
        file: the key that says so.
    """
    name, namespace = declared.service.split(".")
    ports: list[dict[str, Any]] = [
        {"name": port.name, "port": port.port, **({"appProtocol": port.app_protocol} if port.app_protocol else {})}
        for port in declared.ports
    ]
    metadata = {"name": name, "namespace": namespace, "annotations": {SKIP_AWAIT: "true"}}
    return Document(file, 1, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}})


def is_stub(document: Document) -> bool:
    """Whether a document is a declared Service, and not one that stands in a policy file."""
    return document.kind == "Service" and not document.group and document.file.startswith(KEY)
