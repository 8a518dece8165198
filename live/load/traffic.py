"""Real requests from a client in each cluster, and where each of them went."""

import re
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.pods.exec import pod_exec
from live.pods.log import pod_log
from live.pods.proxy_container import PROXY

CLIENT_SELECTOR = "app=sleep"
URL = "http://helloworld.{namespace}:5000/hello"
REQUEST_SECONDS = 5
LOG_FLUSH_SECONDS = 10
ANSWER = re.compile(r"^(?P<number>\d+) Hello version: (?P<version>\S+), cluster: (?P<cluster>\S+),")
# Istio's default access log format: "<path>" … "<authority>" "<upstream host>" <upstream cluster>
LOGGED = re.compile(r'"\w+ \S*[?&]probe=(?P<probe>[\w-]+) .*"(?P<host>[^"\s]+)" outbound\|')


@dataclass(frozen=True)
class Hop:
    """The first address that the client's proxy sent a request to.

    Attributes:
        address: host:port of a pod or of an east-west gateway.
        gateway: whether it is an east-west gateway.
    """

    address: str
    gateway: bool

    def __str__(self) -> str:
        return f"{'gateway' if self.gateway else 'pod'} {self.address}"


@dataclass
class Cell:
    """Answers that the client of one cluster got from one cluster.

    Attributes:
        versions: how many answers came from each version.
        hops: how many requests took each hop; those whose log line was not found are not counted.
    """

    versions: Counter[str] = field(default_factory=Counter)
    hops: Counter[Hop] = field(default_factory=Counter)

    @property
    def answers(self) -> int:
        """How many answers."""
        return self.versions.total()


@dataclass
class Row:
    """What the client of one cluster got.

    Attributes:
        client: Istio's name of the client's cluster.
        cells: by Istio's name of the answering cluster.
        failures: how many requests got each error.
    """

    client: str
    cells: dict[str, Cell] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)


class NoClientError(Exception):
    """A cluster has no running client pod."""


def traffic_matrix(
    accesses: Mapping[str, ClusterAccess],
    namespace: str,
    gateways: Mapping[str, list[str]],
    requests: int,
) -> dict[str, Row]:
    """Send requests to helloworld from the client of every cluster, each over a new connection of the client.

    Args:
        accesses: the clusters, by Istio's name.
        namespace: namespace of helloworld and the clients.
        gateways: addresses of each cluster's east-west gateway.
        requests: how many requests from each cluster.

    Raises:
        NoClientError: a cluster has no running client.
    """
    known = {address for addresses in gateways.values() for address in addresses}
    with ThreadPoolExecutor(max_workers=len(accesses)) as pool:
        rows = pool.map(lambda access: _row(access, namespace, known, requests), accesses.values())
        return {row.client: row for row in rows}


def _row(access: ClusterAccess, namespace: str, gateways: set[str], requests: int) -> Row:
    probe = uuid.uuid4().hex[:12]
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        pod = client_pod(core, access, namespace)
        lines = _send(access, pod, probe, requests).splitlines()
        hops = _hops(core, pod, probe, requests)
    row = Row(access.name)
    for line in lines:
        match = ANSWER.match(line)
        if match is None:
            row.failures[line.split(" ", 1)[-1]] += 1
            continue
        cell = row.cells.setdefault(match["cluster"], Cell())
        cell.versions[match["version"]] += 1
        if address := hops.get(f"{probe}-{match['number']}"):
            cell.hops[Hop(address, address.rsplit(":", 1)[0] in gateways)] += 1
    return row


def client_pod(core: client.CoreV1Api, access: ClusterAccess, namespace: str) -> Any:
    """The running client of a namespace.

    Raises:
        NoClientError: there is none.
    """
    pods = core.list_namespaced_pod(namespace, label_selector=CLIENT_SELECTOR, _request_timeout=TIMEOUT).items
    for pod in pods:
        if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None:
            return pod
    raise NoClientError(
        f"cluster {access.name}: no running pod with label {CLIENT_SELECTOR} in namespace {namespace}. "
        "Declare `spanmesh:sample` in the stack and run `pulumi up`"
    )


def _send(access: ClusterAccess, pod: Any, probe: str, requests: int) -> str:
    url = URL.format(namespace=pod.metadata.namespace)
    script = (
        f"i=0; while [ $i -lt {requests} ]; do i=$((i+1)); "
        f'echo "$i $(curl -sS -f -m {REQUEST_SECONDS} "{url}?probe={probe}-$i" 2>&1)"; done'
    )
    container, seconds = pod.metadata.labels["app"], requests * REQUEST_SECONDS + 10
    command = ["sh", "-c", script]
    return pod_exec(access, pod.metadata.name, pod.metadata.namespace, container, command, seconds)


def _hops(core: client.CoreV1Api, pod: Any, probe: str, requests: int) -> dict[str, str]:
    """Probe to upstream address, from the access log of the client's proxy, which is written with some delay."""
    deadline = time.monotonic() + LOG_FLUSH_SECONDS
    while True:
        log = pod_log(core, pod, PROXY, since_seconds=requests * REQUEST_SECONDS + LOG_FLUSH_SECONDS)
        found = {m["probe"]: m["host"] for m in LOGGED.finditer(log) if m["probe"].startswith(probe)}
        if len(found) >= requests or time.monotonic() > deadline:
            return found
        time.sleep(0.5)
