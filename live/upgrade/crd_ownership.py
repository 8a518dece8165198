"""Istio's CRDs made part of the Helm release that has them as templates from Istio 1.24 on.

Before, the chart base kept them in its folder crds/, which Helm makes once and does not count as the release's. The
chart that has them as templates then ends with "exists and cannot be imported into the current release". So what Helm
knows its objects by is written onto them: https://istio.io/latest/docs/setup/upgrade/helm/
"""

from collections.abc import Sequence

from kubernetes.client.exceptions import ApiException

from live.client import api_client
from live.drift.helm_release import HelmRelease
from live.helm_ownership import LABELS, ownership_annotations
from live.kubeconfig import ClusterAccess
from live.policy.api import Api, Kind
from live.reachability import explained
from topology.defaults import BASE_RELEASE

CRDS = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
RELEASE_NAME = "meta.helm.sh/release-name"
NOT_FOUND = 404


def own_crds(api: Api, base: HelmRelease | None) -> list[str]:
    """Names of the CRDs that the mesh's release brought by its chart's folder crds/, and that Helm does not know yet.

    A CRD that another Helm release has is not among them, nor is one that the chart does not have.

    Args:
        api: the cluster's API.
        base: what is deployed of the release istio-base; None: nothing.

    Raises:
        ApiException: what the API server answers instead.
    """
    if base is None or not base.crds:
        return []
    of_chart = {str(crd["metadata"]["name"]) for crd in base.crds}
    return sorted(
        crd["metadata"]["name"]
        for crd in api.list(CRDS)
        if crd["metadata"]["name"] in of_chart
        and crd["spec"]["group"].endswith(".istio.io")
        and RELEASE_NAME not in (crd["metadata"].get("annotations") or {})
    )


def take_crds(access: ClusterAccess, names: Sequence[str]) -> None:
    """Write Helm's label and annotations onto CRDs; nothing else of them changes, and their objects stay.

    Args:
        access: the cluster.
        names: of :func:`own_crds`.

    Raises:
        UnreachableError: the cluster does not do it; CRDs that have them already keep them, which harms nothing.
    """
    body = {"metadata": {"labels": LABELS, "annotations": ownership_annotations(BASE_RELEASE)}}
    with explained(access, "making Istio's CRDs part of the Helm release istio-base"), api_client(access) as client:
        api = Api(client)
        for name in names:
            try:
                api.patch(CRDS.path(name=name), "application/merge-patch+json", body, {})
            except ApiException as error:
                if error.status != NOT_FOUND:
                    raise


def told(cluster: str, names: Sequence[str]) -> str:
    """What is said of CRDs that change hands."""
    return (
        f"cluster {cluster}: {len(names)} CRDs of Istio become part of the Helm release {BASE_RELEASE}, whose chart "
        f"has them as templates now. They get Helm's label and annotations and stay otherwise: {', '.join(names)}"
    )
