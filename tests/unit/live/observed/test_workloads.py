"""Namespaces that are injected, and pods that are without a sidecar though nobody meant them to be."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from live.client import api_client
from live.observed import workloads
from live.observed.asked import Asked
from live.policy.api import Api
from policy.world import Pods
from tests.unit.live.policy.api_server import istio_cluster
from tests.unit.live.policy.test_reading import namespace, pod
from topology import load_mesh

MESH = load_mesh({"clusters": [{"name": "cluster1", "network": "one", "apiServer": "https://one.example.com"}]})
LABELS = {"app": "reviews", "version": "v1"}


@contextmanager
def asked(**lists: Any) -> Iterator[Asked]:
    """A cluster that holds these objects."""
    with istio_cluster(**lists).access("cluster1") as access, api_client(access) as api:
        yield Asked(MESH, access, api)


def without(name: str, *, labels: Any = None, annotations: Any = None, **spec: Any) -> dict[str, Any]:
    """A pod without sidecar."""
    made = pod(name, sidecar=False)
    made["metadata"]["labels"] |= labels or {}
    made["metadata"]["annotations"] = annotations or {}
    made["spec"] |= spec
    return made


def test_namespaces_are_told_with_whether_their_pods_are_injected() -> None:
    spaces = [namespace("shop", istio_injection="enabled"), namespace("tools")]
    with asked(namespaces=spaces) as cluster:
        assert workloads.namespaces(cluster) == {"shop": True, "tools": False}


def test_pods_that_were_meant_to_be_without_sidecar_are_none_of_those_that_lack_one() -> None:
    pods = [
        without("old"),
        without("job", status="none"),
        without("asked", labels={"sidecar.istio.io/inject": "false"}),
        without("asked-before", annotations={"sidecar.istio.io/inject": "false"}),
        without("node", hostNetwork=True),
        without("ambient", annotations={"ambient.istio.io/redirection": "enabled"}),
        pod("native", sidecar=False, native=True),
        pod("meshed"),
        without("told-by-its-label", labels={"security.istio.io/tlsMode": "istio"}),
    ]
    with asked(pods=pods, namespaces=[namespace("shop")]) as cluster, ThreadPoolExecutor() as pool:
        found = workloads.unmeshed(Api(cluster.api), {"shop"}, pool)
    assert found == (Pods("shop", LABELS, injected=False, ready=2, service_account="reviews"),)
