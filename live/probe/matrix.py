"""Requests from the client of every cluster, as the traffic matrix."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from health.matrix import Cell, Matrix, PlainText, Row, needed
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.pods.port import PodPortError
from live.probe.asking import Answer, ask, plain_text
from live.probe.hosts import Host, hosts
from live.probe.objects import NAMESPACE
from live.probe.site import Site
from topology import Mesh
from topology.defaults import NAMESPACE as ROOT_NAMESPACE
from topology.facts import links

# What istiod and a proxy take at the most to learn of pods that became ready elsewhere; usually a second.
SETTLE_SECONDS = 10
POLL_SECONDS = 0.3
PERMISSIVE = "PERMISSIVE"


def matrix(
    mesh: Mesh,
    sites: Mapping[str, Site],
    absent: Mapping[str, str],
    gateways: Mapping[str, Sequence[str]],
    requests: int,
) -> Matrix:
    """Send requests from the client of every cluster, all at once.

    Args:
        mesh: the declared mesh.
        sites: the probe in each cluster where it runs.
        absent: by the other clusters, why it does not.
        gateways: by cluster, the addresses of its east-west gateway.
        requests: how many from each client at the least.
    """
    if not sites:
        return {name: Row(name, reason=reason) for name, reason in absent.items()}
    with ThreadPoolExecutor(max_workers=len(sites)) as pool:
        rows = list(pool.map(lambda site: _row(mesh, site, sites, gateways, requests), sites.values()))
    found = {row.client: row for row in rows} | {name: Row(name, reason=reason) for name, reason in absent.items()}
    return {c.name: found[c.name] for c in mesh.clusters if c.name in found}


def _row(
    mesh: Mesh, site: Site, sites: Mapping[str, Site], gateways: Mapping[str, Sequence[str]], requests: int
) -> Row:
    name = site.cluster
    wanted = {name, *(link.peer.name for link in links(mesh) if link.reader.name == name)} & sites.keys()
    places = Places(mesh, name, {other: each.address for other, each in sites.items()}, gateways)
    try:
        before = _settled(site, places, wanted)
        number = max(requests, needed(len(wanted)))
        answers = ask(site, number)
        after = hosts(site)
        return Row(
            name,
            number,
            cells(answers, before, after, places),
            Counter(answer.failure for answer in answers if answer.failure),
            plain_text=_plain_text(site),
        )
    except PodPortError as error:
        return Row(name, reason=str(error))


class Places:
    """Whose the hosts are that a client's proxy has.

    Args:
        mesh: the declared mesh.
        client: Istio's name of the client's cluster.
        pods: by cluster, the address of its probe's pod: unique within a network only.
        gateways: by cluster, the addresses of its east-west gateway.
    """

    def __init__(self, mesh: Mesh, client: str, pods: Mapping[str, str], gateways: Mapping[str, Sequence[str]]) -> None:
        network = {cluster.name: cluster.network for cluster in mesh.clusters}
        self._near = {a: name for name, a in pods.items() if network[name] == network[client]}
        self._near[pods.get(client, "")] = client
        self._far = {a: name for name, a in pods.items() if network[name] != network[client]}
        self._gateways = {a: name for name, addresses in gateways.items() for a in addresses}
        # A load balancer with a name has addresses that are not known here.
        named = [n for n, addresses in gateways.items() if network.get(n) != network[client] and addresses]
        named = [n for n in named if not any(a in self._gateways and _is_address(a) for a in gateways[n])]
        self._named = named[0] if len(named) == 1 else ""

    def of(self, address: str) -> tuple[str, bool]:
        """Istio's name of a host's cluster, empty where it cannot be told, and whether it is a gateway."""
        if address in self._gateways:
            return self._gateways[address], True
        if address in self._near:
            return self._near[address], False
        if address in self._far:
            return self._far[address], False
        return self._named, bool(self._named)


def _is_address(text: str) -> bool:
    return text.replace(".", "").isdigit() or ":" in text


def cells(
    answers: Sequence[Answer], before: Mapping[str, Host], after: Mapping[str, Host], places: Places
) -> dict[str, Cell]:
    """What each cluster answered, and what the client's proxy counted for its hosts meanwhile.

    Args:
        answers: what the requests got.
        before: hosts of the client's proxy before the requests.
        after: the same after them.
        places: whose they are.
    """
    found: dict[str, list[Host]] = {}
    gateway_hosts = set()
    for name, host in after.items():
        cluster, gateway = places.of(host.address)
        found.setdefault(cluster, []).append(host)
        if gateway:
            gateway_hosts.add(name)
    names = dict.fromkeys([*(answer.cluster for answer in answers if answer.cluster), *filter(None, found)])
    return {
        name: _cell([a for a in answers if a.cluster == name], found.get(name, []), before, gateway_hosts)
        for name in names
    }


def _cell(answers: Sequence[Answer], at: Sequence[Host], before: Mapping[str, Host], gateways: set[str]) -> Cell:
    def since(host: Host, count: str) -> int:
        earlier = before.get(str(host))
        return int(getattr(host, count)) - (int(getattr(earlier, count)) if earlier else 0)

    hops = {str(host): since(host, "requests") for host in at if since(host, "requests") or since(host, "connections")}
    return Cell(
        milliseconds=tuple(answer.milliseconds for answer in answers),
        hops=hops,
        gateways=frozenset(hops.keys() & gateways),
        client=_said([answer.client for answer in answers]),
        server=_said([answer.server for answer in answers]),
        pods=Counter(answer.pod for answer in answers),
        priority=min((host.priority for host in at), default=None),
        connections=sum(since(host, "connections") for host in at),
        refused=sum(since(host, "refused") for host in at),
    )


def _said(identities: Sequence[str]) -> str:
    """What all of them say; where they differ, all that was said: an answer without an identity among them counts."""
    return ", ".join(sorted(set(identities) - {""})) if all(identities) else ""


def _settled(site: Site, places: Places, wanted: set[str]) -> dict[str, Host]:
    """The hosts of the client's proxy, once every wanted cluster is among them or the time for that is over."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = hosts(site)
        if wanted <= {places.of(host.address)[0] for host in found.values()} or time.monotonic() > deadline:
            return found
        time.sleep(POLL_SECONDS)


def _plain_text(site: Site) -> PlainText | None:
    mode = _mode(site.access)
    if mode is None:
        return None
    with plain_text(site) as asker:
        answer = asker.ask()
    return PlainText(mode, not answer.failure, answer.failure or "200")


def _mode(access: ClusterAccess) -> str | None:
    """Mode of mutual TLS for the probe's pods; None: it may not be read."""
    try:
        with api_client(access) as api:
            found = client.CustomObjectsApi(api).list_cluster_custom_object(
                "security.istio.io", "v1", "peerauthentications", _request_timeout=TIMEOUT
            )["items"]
    except ApiException:
        return None
    modes = {}
    # Of several the oldest counts: https://istio.io/latest/docs/reference/config/security/peer_authentication/
    for each in sorted(found, key=lambda item: str(item["metadata"]["creationTimestamp"]), reverse=True):
        spec = each.get("spec") or {}
        if not (spec.get("selector") or {}).get("matchLabels"):
            modes[each["metadata"]["namespace"]] = (spec.get("mtls") or {}).get("mode") or "UNSET"
    said = [mode for ns in (NAMESPACE, ROOT_NAMESPACE) if (mode := modes.get(ns, "UNSET")) != "UNSET"]
    return said[0] if said else PERMISSIVE
