"""SM64x: east-west gateways: there, addressed, ready, and known to the istiods of other networks."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import unanswered
from health.examination import Examined
from health.observed import EastWestGateway, Istiod, NetworkGateway, Observed, Unknown
from topology import Link, clients_of_gateway, links

INSTALL = "https://istio.io/latest/docs/setup/install/multicluster/multi-primary_multi-network/"
STATUS, PASSED = 15021, 15443
EVENTS = "`kubectl -n istio-system describe service istio-eastwestgateway` shows what the cloud says"

NO_GATEWAY = Cause(
    "SM640",
    "no east-west gateway",
    "error",
    symptom="Clients on other networks never reach this cluster, or hang on addresses of its pods",
    cause="The Service istio-eastwestgateway is not in istio-system",
    cure="`pulumi up` makes it; by `--refresh` where it was deleted by hand",
    source=INSTALL,
)
NO_ADDRESS = Cause(
    "SM641",
    "gateway without address",
    "error",
    symptom="Clients on other networks hang on addresses of pods until they time out: istiod gives out raw addresses "
    "of a network whose gateway it does not know",
    cause="No load balancer serves the Service istio-eastwestgateway: a quota, an annotation, or a class that the "
    "cloud does not take",
    cure=f"{EVENTS}; docs/clouds.md has what each cloud needs",
    source="https://github.com/istio/istio/issues/29359",
)
NOT_READY = Cause(
    "SM642",
    "no gateway pod is ready",
    "error",
    symptom="Requests from other networks fail: connection refused, or 503 with UF,URX",
    cause="The gateway's pods do not start, are gone, or have no configuration of istiod",
    cure="The reason is in the message; `kubectl -n istio-system describe pod -l istio=eastwestgateway` says more",
    source=INSTALL,
)
FEWER = Cause(
    "SM643",
    "a gateway pod is not ready",
    "warning",
    symptom="Nothing yet; what is left carries all traffic of other networks",
    cause="One of the gateway's pods does not start or was evicted",
    cure="The reason is in the message; `kubectl -n istio-system describe pod -l istio=eastwestgateway` says more",
    source="https://istio.io/latest/docs/ops/best-practices/deployment/",
)
NO_PORT = Cause(
    "SM644",
    "gateway without port 15443",
    "error",
    symptom="Clients on other networks get no connection, or hang on addresses of pods",
    cause="The Service istio-eastwestgateway was changed: its port 15443 is gone or has another number",
    cure="`pulumi up --refresh` puts the port back",
    source=INSTALL,
)
STATUS_NOT_FIRST = Cause(
    "SM645",
    "status port 15021 is not the first",
    "warning",
    symptom="The cloud's load balancer says that all targets are unhealthy, and passes nothing on",
    cause="Health checks of some clouds ask the first port of a Service, and only 15021 answers them",
    cure="`pulumi up --refresh` puts the ports in order",
    source="https://github.com/istio/istio/issues/27356",
)
NOT_KNOWN = Cause(
    "SM646",
    "istiod does not know the gateway of another network",
    "error",
    symptom="Clients hang on addresses of pods on the other network until they time out",
    cause="The Service of the gateway lacks the label topology.istio.io/network of its network or the port that istiod "
    "looks for, has no address, or a host name that istiod cannot resolve; or this istiod has not read the cluster",
    cure="`pulumi up --refresh` puts label and port back. For a host name: it has to resolve in the pods of istiod "
    "(RESOLVE_HOSTNAME_GATEWAYS; no search domains, no /etc/hosts), which takes 30 to 90 s where it is new",
    source="https://github.com/istio/istio/issues/49412",
)
OLD_ADDRESS = Cause(
    "SM647",
    "istiod knows a gateway by an address that it does not have",
    "error",
    symptom="Requests to the other network time out, though its gateway is well",
    cause="The gateway's address has changed and istiod keeps the old one; or something gives it in meshNetworks",
    cure="Restart this istiod: `kubectl -n istio-system rollout restart deployment/istiod`; see that no meshNetworks "
    "is set in its values",
    source="https://github.com/istio/istio/issues/60920",
)

GATEWAYS = Check(
    "gateways",
    "every east-west gateway has an address, its two ports, and ready pods",
    (NO_GATEWAY, NO_ADDRESS, NOT_READY, FEWER, NO_PORT, STATUS_NOT_FIRST),
    needs=("api-servers",),
)
KNOWN_GATEWAYS = Check(
    "known-gateways",
    "every istiod knows the gateways of the other networks, by the addresses that they have",
    (NOT_KNOWN, OLD_ADDRESS),
    needs=("api-servers", "istiods", "remote-secrets", "remote-tokens", "remote-sync", "identity", "gateways"),
)


def crossing(observed: Observed) -> list[Link]:
    """The links between observed clusters on different networks."""
    return [link for link in links(observed.mesh) if link.crosses_networks and link.reader.name in observed.clusters]


def _gateways(observed: Observed) -> Iterator[Result]:
    clients = clients_of_gateway(observed.mesh)
    for name, cluster in observed.clusters.items():
        gateway = cluster.gateway
        if reason := unanswered(cluster):
            yield skipped(GATEWAYS, reason, name)
        elif isinstance(gateway, Unknown):
            yield skipped(GATEWAYS, gateway.reason, name)
        elif gateway is None:
            if of := ", ".join(client.name for client in clients[name]):
                message = f"there is no Service istio-eastwestgateway: {of} cannot reach {name}"
                yield found(GATEWAYS, NO_GATEWAY, message, name)
            else:
                yield ok(GATEWAYS, name, message="none, and no cluster on another network needs one")
        else:
            yield from list(_wrong(name, gateway)) or [_well(name, gateway)]


def _well(name: str, gateway: EastWestGateway) -> Result:
    where = ", ".join(gateway.addresses) or f"{gateway.type}, without an address of its own"
    return ok(GATEWAYS, name, message=f"{where}, {len(gateway.pods)} ready")


def _wrong(name: str, gateway: EastWestGateway) -> Iterator[Result]:
    # Of a NodePort, istiod takes the addresses of nodes.
    if not gateway.addresses and gateway.type != "NodePort":
        events = f": {'; '.join(gateway.events)}" if gateway.events else ", and no event says why"
        message = f"the Service istio-eastwestgateway ({gateway.type}) has no address{events}"
        yield found(GATEWAYS, NO_ADDRESS, message, name)
    numbers = [port for _, port in gateway.ports]
    if PASSED not in numbers:
        message = f"the Service istio-eastwestgateway has the ports {_list(numbers)}, not {PASSED}"
        yield found(GATEWAYS, NO_PORT, message, name)
    elif gateway.type == "LoadBalancer" and STATUS in numbers and numbers[0] != STATUS:
        message = f"the first port of the Service istio-eastwestgateway is {numbers[0]}: its ports are {_list(numbers)}"
        yield found(GATEWAYS, STATUS_NOT_FIRST, message, name)
    unready = [pod for pod in gateway.pods if not pod.ready]
    why = "; ".join(f"pod {pod.name}: {pod.reason or 'not ready'}" for pod in unready)
    if len(unready) == len(gateway.pods):
        message = f"no pod of the east-west gateway is ready{f': {why}' if why else ': there is none'}"
        yield found(GATEWAYS, NOT_READY, message, name)
    elif unready:
        message = f"{len(unready)} of {len(gateway.pods)} pods of the east-west gateway are not ready: {why}"
        yield found(GATEWAYS, FEWER, message, name)


def _known_gateways(observed: Observed) -> Iterator[Result]:
    for link in crossing(observed):
        reader, peer = link.reader.name, link.peer.name
        istiods = observed.clusters[reader].istiods
        theirs = observed.clusters.get(peer)
        gateway = theirs.gateway if theirs else Unknown(f"{peer} was not asked")
        if reason := unanswered(observed.clusters[reader]) or (unanswered(theirs) if theirs else ""):
            yield skipped(KNOWN_GATEWAYS, reason, reader, peer)
        elif isinstance(istiods, Unknown) or isinstance(gateway, Unknown):
            unknown = istiods if isinstance(istiods, Unknown) else gateway
            yield skipped(KNOWN_GATEWAYS, unknown.reason if isinstance(unknown, Unknown) else "", reader, peer)
        else:
            yield from _of_link(link, istiods, gateway)


def _of_link(link: Link, istiods: Sequence[Istiod], gateway: EastWestGateway | None) -> Iterator[Result]:
    reader, peer = link.reader.name, link.peer.name
    # One that answers lists its own cluster at least.
    answering = [istiod for istiod in istiods if istiod.remotes]
    if not answering:
        yield skipped(KNOWN_GATEWAYS, "no istiod says which gateways it knows", reader, peer)
        return
    wrong = [result for istiod in answering if (result := _of_istiod(link, istiod, gateway)) is not None]
    known = sorted({each.address for each in _of_network(link, answering[0])})
    yield from wrong or [ok(KNOWN_GATEWAYS, reader, peer, ", ".join(known))]


def _of_istiod(link: Link, istiod: Istiod, gateway: EastWestGateway | None) -> Result | None:
    reader, peer = link.reader.name, link.peer.name
    addresses = gateway.addresses if gateway else ()
    known = _of_network(link, istiod)
    # On one network any gateway leads to any pod, but each cluster is to have its own.
    own = [each for each in known if each.cluster in (peer, "")]
    who = f"istiod pod {istiod.pod} of {reader}"
    network = link.peer.network
    if not own:
        has = f", whose gateway has {', '.join(addresses)}" if addresses else ""
        message = f"{who} knows no gateway of {peer} in network {network}{has}"
        if names := [address for address in addresses if not _is_ip(address)]:
            message += f"; it is a host name, so it may not resolve in that pod: {', '.join(names)}"
        elif gateway and gateway.network != network:
            message += f"; the Service's label topology.istio.io/network is {gateway.network or 'missing'}"
        return found(KNOWN_GATEWAYS, NOT_KNOWN, message, reader, peer)
    if not addresses or not all(map(_is_ip, addresses)):
        return None
    if strangers := sorted({each.address for each in own} - set(addresses)):
        message = f"{who} sends what is for {peer} to {', '.join(strangers)}; its gateway has {', '.join(addresses)}"
        return found(KNOWN_GATEWAYS, OLD_ADDRESS, message, reader, peer)
    return None


def _of_network(link: Link, istiod: Istiod) -> list[NetworkGateway]:
    return [each for each in istiod.gateways if each.network == link.peer.network]


def _is_ip(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


EXAMINED = (Examined(GATEWAYS, _gateways), Examined(KNOWN_GATEWAYS, _known_gateways))
