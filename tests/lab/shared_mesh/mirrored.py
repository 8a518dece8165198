"""A mesh whose policy is declared anew by each test, its clients, and what they get."""

import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import yaml
from kubernetes import client

from lab import Lab
from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.load.constant import Load, LoadResult, constant_requests, requests_at_once
from live.pods.log import pod_log
from tests.lab.kubectl import Kubectl
from tests.lab.stacks import LabStack

NAMESPACE = "sample"
HOST = "helloworld.sample.svc.cluster.local"
NETWORKING = "networking.istio.io/v1"
Objects = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Mirrored:
    """The stack, and the lab that it is on."""

    stack: LabStack
    lab: Lab

    @property
    def accesses(self) -> dict[str, ClusterAccess]:
        """The clusters, by Istio's name."""
        return self.stack.accesses

    def kubectl(self, cluster: str) -> Kubectl:
        """kubectl on one cluster."""
        return Kubectl.of(self.lab, cluster)

    def declare(
        self, files: Mapping[str, Objects] | None = None, helpers: Objects = (), services: Objects = ()
    ) -> None:
        """Write policy files and name them, helpers and Services in the stack file; what was declared before goes."""
        folder = self.stack.project / "policies"
        folder.mkdir(exist_ok=True)
        names = []
        for name, documents in (files or {}).items():
            (folder / name).write_text(yaml.safe_dump_all(map(dict, documents), sort_keys=False))
            names.append(f"policies/{name}")
        self.stack.mesh["policies"] = [*names, *map(dict, helpers)]
        self.stack.mesh["services"] = list(map(dict, services))
        self.stack.write()

    def attempt(self) -> subprocess.CompletedProcess[str]:
        """`pulumi up`, which may fail."""
        return self.stack.attempt("up", "--yes", "--skip-preview")

    def ask(
        self, number: int, headers: Mapping[str, str] | None = None, namespace: str = NAMESPACE, url: str | None = None
    ) -> dict[str, LoadResult]:
        """So many requests from the client of every cluster, side by side."""

        def send(access: ClusterAccess) -> LoadResult:
            return requests_at_once(access, namespace, number, url=url, headers=headers)

        accesses = self.accesses
        with ThreadPoolExecutor(max_workers=len(accesses)) as pool:
            return dict(zip(accesses, pool.map(send, accesses.values()), strict=True))

    def load(self, running: ExitStack, pause: float = 0.02) -> dict[str, Load]:
        """Requests from every cluster without a pause, until the stack of contexts is left."""
        return {
            name: running.enter_context(constant_requests(access, NAMESPACE, 300, pause=pause))
            for name, access in self.accesses.items()
        }

    def holds(self, cluster: str, kind: str, name: str) -> bool:
        """Whether a cluster's namespace of the sample has an object."""
        return bool(self.kubectl(cluster)("-n", NAMESPACE, "get", kind, name, "--ignore-not-found", "-o", "name"))

    def proxy_log(self, cluster: str, selector: str, namespace: str = NAMESPACE) -> str:
        """What the proxies of some pods logged in the last two minutes."""
        with api_client(self.accesses[cluster]) as api:
            core = client.CoreV1Api(api)
            pods = core.list_namespaced_pod(namespace, label_selector=selector).items
            return "".join(pod_log(core, pod, "istio-proxy", since_seconds=120) for pod in pods)


def destination_rule(**spec: Any) -> dict[str, Any]:
    """helloworld's DestinationRule with the article's subsets; a new connection between proxies for each request."""
    subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2")]
    policy = {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}
    return _of_helloworld("DestinationRule", {"host": HOST, "trafficPolicy": policy, "subsets": subsets, **spec})


def virtual_service(weights: Mapping[str, int], header: str | None = None) -> dict[str, Any]:
    """helloworld's VirtualService with a weight for each version.

    Args:
        weights: percent by version.
        header: requests go to the version that this header of theirs names, whatever the weights say.
    """
    named = [
        {
            "match": [{"headers": {header: {"exact": version}}}],
            "route": [{"destination": {"host": HOST, "subset": version}}],
        }
        for version in (weights if header else ())
    ]
    shares = [{"destination": {"host": HOST, "subset": v}, "weight": weight} for v, weight in weights.items()]
    return _of_helloworld("VirtualService", {"hosts": [HOST], "http": [*named, {"route": shares}]})


def annotated(document: Mapping[str, Any], **annotations: str) -> dict[str, Any]:
    """A document with annotations more; ``__`` in a name stands for ``.spanmesh.io/``, none for ``spanmesh.io/``."""
    names = {
        (key.replace("__", ".spanmesh.io/") if "__" in key else f"spanmesh.io/{key}"): value
        for key, value in annotations.items()
    }
    return {**document, "metadata": {**document["metadata"], "annotations": names}}


def _of_helloworld(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "helloworld", "namespace": NAMESPACE}
    return {"apiVersion": NETWORKING, "kind": kind, "metadata": metadata, "spec": spec}
