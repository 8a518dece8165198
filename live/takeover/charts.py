"""Objects of Istio in a cluster that another installer left, and how to take them over.

Helm refuses to touch an object that does not carry its own label and annotations: "exists and cannot be imported into
the current release: invalid ownership metadata".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

from live.client import TIMEOUT, api_client
from live.drift.helm_release import UnreadableRecordError
from live.drift.objects import Objects
from live.drift.releases import deployed
from live.helm_ownership import LABELS, ownership_annotations
from live.kubeconfig import ClusterAccess
from live.policy.api import Api
from live.upgrade.crd_ownership import own_crds
from topology.defaults import BASE_RELEASE as BASE
from topology.defaults import ISTIOD_RELEASE, NAMESPACE
from topology.model import Istio
from topology.revisions import Revision, base_version, declared_revisions

CRD = "CustomResourceDefinition"
TAG_LABEL = "istio.io/tag"
CRD_TEMPLATES_SINCE = (1, 24)


@dataclass(frozen=True)
class Foreign:
    """An object that a chart of the mesh would make, and that is not the mesh's.

    Attributes:
        api_version: its apiVersion.
        kind: its kind.
        name: its name.
        namespace: its namespace; empty where it has none.
        release: the Helm release that would own it.
    """

    api_version: str
    kind: str
    name: str
    namespace: str
    release: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


_RBAC = "rbac.authorization.k8s.io/v1"
_WEBHOOK = "admissionregistration.k8s.io/v1"
OF_BASE = [
    Foreign("v1", "ServiceAccount", "istio-reader-service-account", NAMESPACE, BASE),
    Foreign(_WEBHOOK, "ValidatingWebhookConfiguration", "istiod-default-validator", "", BASE),
]


def of_istiod(revision: Revision) -> list[Foreign]:
    """What the chart istiod makes for a revision, by name."""
    name = revision.istiod
    suffix = name.removeprefix(ISTIOD_RELEASE)
    return [
        Foreign("v1", "ServiceAccount", name, NAMESPACE, name),
        Foreign("v1", "ConfigMap", f"istio{suffix}", NAMESPACE, name),
        Foreign("v1", "ConfigMap", f"istio-sidecar-injector{suffix}", NAMESPACE, name),
        Foreign("v1", "ConfigMap", f"values{suffix}", NAMESPACE, name),
        Foreign("v1", "Service", name, NAMESPACE, name),
        Foreign("apps/v1", "Deployment", name, NAMESPACE, name),
        Foreign("policy/v1", "PodDisruptionBudget", name, NAMESPACE, name),
        Foreign("autoscaling/v2", "HorizontalPodAutoscaler", name, NAMESPACE, name),
        Foreign(_RBAC, "Role", name, NAMESPACE, name),
        Foreign(_RBAC, "RoleBinding", name, NAMESPACE, name),
        *(
            Foreign(_RBAC, kind, f"{role}{suffix}-{NAMESPACE}", "", name)
            for kind in ("ClusterRole", "ClusterRoleBinding")
            for role in ("istiod-clusterrole", "istiod-gateway-controller", "istio-reader-clusterrole")
        ),
        Foreign(_WEBHOOK, "MutatingWebhookConfiguration", f"istio-sidecar-injector{suffix}", "", name),
        Foreign(_WEBHOOK, "ValidatingWebhookConfiguration", f"istio-validator{suffix}-{NAMESPACE}", "", name),
    ]


def foreign_objects(access: ClusterAccess, istio: Istio) -> list[Foreign]:
    """What Helm would refuse to touch when the mesh's Istio is installed.

    CRDs that the mesh's own release brought are not among them: an update makes them part of it.

    Args:
        access: the cluster.
        istio: the Istio to be installed, complete: before 1.24 its CRDs are not part of the release.
    """
    with api_client(access) as client_of_cluster:
        found = list(foreign_crds(client_of_cluster)) if templates_crds(base_version(istio)) else []
        api = dynamic.DynamicClient(client_of_cluster)
        for candidate in [*OF_BASE, *(each for one in declared_revisions(istio) for each in of_istiod(one))]:
            live = _read(api, candidate)
            if live is not None and not _is_ours(live, candidate.release):
                found.append(candidate)
    return found


def revision_tags(access: ClusterAccess) -> list[str]:
    """Revision tags that ``istioctl`` made in a cluster: no chart of the mesh has them, so they stay until removed."""
    with api_client(access) as api:
        webhooks = client.AdmissionregistrationV1Api(api).list_mutating_webhook_configuration(
            label_selector=TAG_LABEL, _request_timeout=TIMEOUT
        )
    return [w.metadata.labels[TAG_LABEL] for w in webhooks.items if not w.metadata.annotations]


def take_over(access: ClusterAccess, objects: list[Foreign]) -> None:
    """Write Helm's ownership label and annotations onto the objects; nothing else of them changes."""
    with api_client(access) as client_of_cluster:
        api = dynamic.DynamicClient(client_of_cluster)
        for item in objects:
            resource = api.resources.get(api_version=item.api_version, kind=item.kind)
            resource.patch(
                name=item.name,
                namespace=item.namespace or None,
                body={"metadata": {"labels": LABELS, "annotations": ownership_annotations(item.release)}},
                content_type="application/merge-patch+json",
            )


def templates_crds(version: str) -> bool:
    """Whether the chart base of an Istio version has its CRDs as templates, and no longer in its folder crds/."""
    parts = version.replace("-", ".").split(".")
    try:
        return (int(parts[0]), int(parts[1])) >= CRD_TEMPLATES_SINCE
    except (IndexError, ValueError):
        return True


def foreign_crds(api: client.ApiClient) -> Iterator[Foreign]:
    """Istio's CRDs that neither are part of the mesh's release nor came with it.

    Args:
        api: an open client.
    """
    crds = client.ApiextensionsV1Api(api).list_custom_resource_definition(_request_timeout=TIMEOUT)
    unknown = [
        crd
        for crd in crds.items
        if crd.spec.group.endswith(".istio.io") and not _is_ours({"metadata": crd.metadata.to_dict()}, BASE)
    ]
    own = _own_crds(api) if unknown else frozenset()
    for crd in unknown:
        if crd.metadata.name not in own:
            yield Foreign(
                "apiextensions.k8s.io/v1",
                CRD,
                crd.metadata.name,
                "",
                BASE,
            )


def _own_crds(api: client.ApiClient) -> frozenset[str]:
    calls = Api(api)
    try:
        return frozenset(own_crds(calls, deployed(Objects(calls)).get(BASE)))
    except UnreadableRecordError:
        # Whose they are cannot be told then.
        return frozenset()


def _read(api: Any, item: Foreign) -> dict[str, Any] | None:
    try:
        resource = api.resources.get(api_version=item.api_version, kind=item.kind)
        return dict(resource.get(name=item.name, namespace=item.namespace or None).to_dict())
    except (NotFoundError, ResourceNotFoundError):
        return None
    except ApiException as error:
        if error.status == 404:
            return None
        raise


def _is_ours(live: dict[str, Any], release: str) -> bool:
    annotations = live["metadata"].get("annotations") or {}
    return ownership_annotations(release).items() <= annotations.items()
