"""What the API server of a cluster holds that tells of its mesh: never the content of a Secret."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from live.policy.api import NAMESPACES, PODS, SERVICES, Api, Kind
from topology.defaults import NAMESPACE

EVENTS = 500
ISTIO_GROUPS = ("istio.io", "gateway.networking.k8s.io")
ADMISSION = "admissionregistration.k8s.io"
NODES = Kind("", "v1", "Node", "nodes", namespaced=False)
CRDS = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
WEBHOOKS = (
    Kind(ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", namespaced=False),
    Kind(ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", namespaced=False),
)
EVENT = Kind("", "v1", "Event", "events")
SECRET = Kind("", "v1", "Secret", "secrets")
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
WORKLOADS = (
    PODS,
    SERVICES,
    Kind("", "v1", "ServiceAccount", "serviceaccounts"),
    Kind("apps", "v1", "Deployment", "deployments"),
    Kind("apps", "v1", "StatefulSet", "statefulsets"),
    Kind("apps", "v1", "DaemonSet", "daemonsets"),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
)
OF_ISTIO_SYSTEM = (
    *WORKLOADS,
    Kind("", "v1", "ConfigMap", "configmaps"),
    Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
)
ADDRESSES, CONDITIONS, NODE_INFO = "addresses", "conditions", "nodeInfo"


@dataclass(frozen=True)
class Question:
    """One thing that an API server is asked.

    Attributes:
        path: file that the answer becomes, below the cluster's folder.
        what: in words, for the index and for why it is missing.
        ask: asks.
    """

    path: str
    what: str
    ask: Callable[[Api], Any]


def questions(namespaces: list[str], since: timedelta) -> Iterator[Question]:
    """What every cluster is asked, but for Istio's kinds: which it serves has to be asked first.

    Args:
        namespaces: those of workloads that are looked at, besides istio-system.
        since: how old an event may be.
    """
    yield Question("nodes.json", "reading nodes", lambda api: [_node(each) for each in api.list(NODES)])
    yield Question("namespaces.json", "reading namespaces", lambda api: [_labels(n) for n in api.list(NAMESPACES)])
    yield Question("crds.json", "reading Istio's CRDs", lambda api: [_crd(e) for e in api.list(CRDS) if _istio(e)])
    for kind in WEBHOOKS:
        yield Question(f"webhooks/{kind.kind}.json", f"reading every {kind.kind}", _lister(kind))
    yield Question("istio-system/secrets.json", "listing the metadata of Secrets of istio-system", _secrets)
    for namespace in dict.fromkeys((NAMESPACE, *namespaces)):
        folder = namespace if namespace == NAMESPACE else f"namespaces/{namespace}"
        for kind in OF_ISTIO_SYSTEM if namespace == NAMESPACE else WORKLOADS:
            yield Question(
                f"{folder}/{kind.plural}.json", f"reading {kind.plural} of {namespace}", _lister(kind, namespace)
            )
        yield Question(f"{folder}/events.json", f"reading events of {namespace}", _events(namespace, since))


def policy(api: Api) -> Iterator[Question]:
    """What a cluster is asked of each kind of Istio's and of the Gateway API's that it serves.

    Raises:
        ApiException: the API server does not say which it serves.
    """
    for kind in api.kinds().listed():
        yield Question(f"policy/{kind.kind}.{kind.group}.json", f"reading every {kind.kind}", _lister(kind))


def _lister(kind: Kind, namespace: str = "") -> Callable[[Api], Any]:
    return lambda api: list(api.list(kind, namespace))


def _secrets(api: Api) -> Any:
    """Names, types, labels and ages: the API server itself leaves the content out."""
    return api.get(SECRET.path(NAMESPACE), accept=METADATA_ONLY)["items"]


def _events(namespace: str, since: timedelta) -> Callable[[Api], Any]:
    def ask(api: Api) -> list[Any]:
        oldest = (datetime.now(UTC) - since).isoformat()
        recent = sorted((each for each in api.list(EVENT, namespace) if _time(each) >= oldest), key=_time)
        return recent[-EVENTS:]

    return ask


def _time(event: Any) -> str:
    series = event.get("series") or {}
    when = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(when or event["metadata"].get("creationTimestamp") or "")


def _istio(definition: Any) -> bool:
    group = str(definition["spec"]["group"])
    return any(group == known or group.endswith(f".{known}") for known in ISTIO_GROUPS)


def _crd(definition: Any) -> Any:
    return {
        **_labels(definition),
        "versions": [
            {key: v.get(key) for key in ("name", "served", "storage", "deprecated")} for v in _versions(definition)
        ],
        "storedVersions": (definition.get("status") or {}).get("storedVersions"),
    }


def _versions(definition: Any) -> list[Any]:
    return list(definition["spec"].get("versions") or [])


def _node(node: Any) -> Any:
    status = node.get("status") or {}
    return {
        **_labels(node),
        "podCIDRs": (node.get("spec") or {}).get("podCIDRs"),
        "taints": (node.get("spec") or {}).get("taints"),
        **{key: status.get(key) for key in (ADDRESSES, CONDITIONS, NODE_INFO, "allocatable")},
    }


def _labels(item: Any) -> Any:
    metadata = item["metadata"]
    kept = {
        key: metadata.get(key) for key in ("name", "labels", "annotations", "creationTimestamp", "deletionTimestamp")
    }
    return {key: value for key, value in kept.items() if value}
