"""What pods say of themselves: istiod's debug pages, Envoy's admin interface, and logs."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from live.bundle.archive import Archive
from live.client import TIMEOUT
from live.kubeconfig import ClusterAccess
from live.pods.port import ENVOY_ADMIN, ISTIOD_DEBUG, ISTIOD_MONITORING, PodAnswerError, PodPortError, pod_http
from live.pods.proxy_container import PROXY
from topology.defaults import NAMESPACE

# Of one answer: what is larger is left out and said to be, so that memory stays bounded.
LARGEST = 8 * 1024 * 1024
LOG_LINES, LOG_BYTES = 5_000, 1024 * 1024
DEBUG_PAGES = (
    *("clusterz", "networkz", "syncz", "endpointShardz", "configz", "registryz", "push_status", "mesh"),
    *("connections", "instancesz", "authorizationz", "telemetryz", "resourcesz"),
)
ISTIOD = {
    ISTIOD_DEBUG: {f"{page}.json": f"/debug/{page}" for page in DEBUG_PAGES},
    ISTIOD_MONITORING: {"version.txt": "/version", "metrics.txt": "/metrics"},
}
ENVOY = {
    ENVOY_ADMIN: {
        "config_dump.json": "/config_dump?include_eds",
        "clusters.json": "/clusters?format=json",
        "certs.json": "/certs",
        "listeners.json": "/listeners?format=json",
        "server_info.json": "/server_info",
        "stats.txt": "/stats",
    }
}
SERVER_INFO = ("version", "state", "hot_restart_version", "uptime_current_epoch", "uptime_all_epochs")


@dataclass(frozen=True)
class Target:
    """A pod that is asked.

    Attributes:
        folder: folder of the archive for its files.
        namespace: its namespace.
        name: its name.
        container: container whose log is read.
        restarted: whether that has an earlier log.
        pages: by port, the path of each page by its file.
        log: whether its log is wanted.
    """

    folder: str
    namespace: str
    name: str
    container: str
    restarted: bool
    pages: Mapping[int, Mapping[str, str]]
    log: bool = True


def targets(cluster: str, pods: Sequence[Mapping[str, Any]], logs: bool = True) -> Iterator[Target]:
    """What of pods can be asked: istiods by their debug pages, pods with a proxy by Envoy's.

    Args:
        cluster: folder of the cluster.
        pods: pods, as of JSON.
        logs: whether their logs are wanted.
    """
    for pod in pods:
        metadata, containers = pod["metadata"], _containers(pod)
        istiod = (metadata.get("labels") or {}).get("app") == "istiod" and metadata["namespace"] == NAMESPACE
        container = "discovery" if istiod else PROXY
        # Of a pod that does not run, Kubernetes' own word is all there is.
        if container not in containers or (pod.get("status") or {}).get("phase") != "Running":
            continue
        kind = "istiod" if istiod else f"proxies/{metadata['namespace']}"
        yield Target(
            f"{cluster}/{kind}/{metadata['name']}",
            metadata["namespace"],
            metadata["name"],
            container,
            containers[container],
            ISTIOD if istiod else ENVOY,
            logs,
        )


def read_pod(access: ClusterAccess, api: client.ApiClient, target: Target, since: timedelta, into: Archive) -> None:
    """Everything that one pod says.

    Args:
        access: its cluster.
        api: an open client of the cluster.
        target: the pod.
        since: how old a line of its log may be.
        into: where it goes.
    """
    if target.log:
        _logs(api, target, since, into)
    for port, pages in target.pages.items():
        _pages(access, target, port, pages, into)


def _pages(access: ClusterAccess, target: Target, port: int, pages: Mapping[str, str], into: Archive) -> None:
    left, alive, reason = dict(pages), True, ""
    while left and alive:
        alive = False
        try:
            with pod_http(access, target.name, target.namespace, port) as http:
                while left:
                    file, page = next(iter(left.items()))
                    text = http.text(page, limit=LARGEST)
                    alive = True
                    del left[file]
                    into.add(f"{target.folder}/{file}", _trimmed(file, text), _source(target, page))
        except PodAnswerError as error:
            # What is behind it on this connection is lost, and the pod is well.
            file, page = next(iter(left.items()))
            into.lacks(f"{target.folder}/{file}", _source(target, page), str(error))
            del left[file]
            alive = True
        except PodPortError as error:
            reason = str(error)
    for file, page in left.items():
        into.lacks(f"{target.folder}/{file}", _source(target, page), reason)


def _trimmed(file: str, text: str) -> Any:
    """A page as JSON where it is such, without what says nothing and is long."""
    if not file.endswith(".json"):
        return text
    try:
        content = json.loads(text)
    except ValueError:
        return text
    trim = TRIMMED.get(file)
    return trim(content) if trim and content else content


def _service(service: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = service.get("Attributes") or {}
    kept = ("hostname", "ports", "clusterVIPs", "Resolution", "MeshExternal", "serviceAccounts", "defaultAddress")
    about = {
        key: attributes[key] for key in ("Name", "Namespace", "ServiceRegistry", "ExportTo") if attributes.get(key)
    }
    return {**{key: service[key] for key in kept if service.get(key)}, "Attributes": about}


def _without_extensions(dump: Mapping[str, Any]) -> Mapping[str, Any]:
    """Half of a small dump is the list of what this Envoy was built with."""
    for each in dump.get("configs") or ():
        ((each.get("bootstrap") or {}).get("node") or {}).pop("extensions", None)
    return dump


TRIMMED: Mapping[str, Callable[[Any], Any]] = {
    "registryz.json": lambda services: [_service(each) for each in services],
    "config_dump.json": _without_extensions,
    # What else it says is in the bootstrap, which config_dump has.
    "server_info.json": lambda info: {key: info[key] for key in SERVER_INFO if key in info},
}


def _logs(api: client.ApiClient, target: Target, since: timedelta, into: Archive) -> None:
    core = client.CoreV1Api(api)
    for previous in (False, True) if target.restarted else (False,):
        path = f"{target.folder}/{'log-before-restart' if previous else 'log'}.txt"
        source = f"log of {target.namespace}/{target.name}, container {target.container}"
        recent = {} if previous else {"since_seconds": max(1, int(since.total_seconds()))}
        try:
            response = core.read_namespaced_pod_log(
                target.name,
                target.namespace,
                container=target.container,
                previous=previous,
                timestamps=True,
                tail_lines=LOG_LINES,
                limit_bytes=LARGEST,
                _preload_content=False,
                _request_timeout=TIMEOUT,
                **recent,
            )
        except (ApiException, HTTPError) as error:
            into.lacks(path, source, f"the API server does not give it: {getattr(error, 'reason', None) or error}")
            continue
        # The newest lines: a byte limit of the API server would leave the oldest.
        into.add(path, _newest(response.data.decode(errors="replace")), source)


def _newest(text: str) -> str:
    if len(text) <= LOG_BYTES:
        return text
    return "(older lines are left out)\n" + text[-LOG_BYTES:].partition("\n")[2]


def _containers(pod: Mapping[str, Any]) -> dict[str, bool]:
    """By the name of each container that runs in a pod, whether it was restarted."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    # A native sidecar is an init container.
    names = [c["name"] for kind in ("containers", "initContainers") for c in spec.get(kind) or ()]
    restarts = {
        each["name"]: bool(each.get("restartCount"))
        for kind in ("containerStatuses", "initContainerStatuses")
        for each in status.get(kind) or ()
    }
    return {name: restarts.get(name, False) for name in names}


def _source(target: Target, page: str) -> str:
    return f"{page} of pod {target.namespace}/{target.name}"
