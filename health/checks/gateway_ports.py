"""SM648, SM649: whether port 15443 of each gateway answers pods of the clusters that need it, and who answers."""

from collections.abc import Iterator, Sequence

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import unanswered
from health.checks.gateways import INSTALL, crossing
from health.examination import Examined
from health.observed import GatewayHandshake, Observed, Unknown
from topology import Link

SPIFFE = "spiffe://"

SHUT = Cause(
    "SM648",
    "port 15443 of a gateway does not answer another cluster",
    "error",
    symptom="Requests to the other cluster time out, or fail with `upstream connect error` and the flags UF,URX",
    cause="A firewall, a security group or the load balancer's own list of sources shuts out the addresses that the "
    "cluster's pods go out by; or the load balancer finds no healthy target",
    cure="Open TCP 15443 of the gateway to the cluster's egress addresses: `eastWest.sourceRanges`, and the cloud's "
    "security groups (docs/clouds.md)",
    source=INSTALL,
)
TLS_ENDED = Cause(
    "SM649",
    "something before the gateway ends TLS",
    "error",
    symptom="Requests to the other cluster fail with TLS errors: CERTIFICATE_VERIFY_FAILED, or a reset",
    cause="Who answers at port 15443 shows a certificate that is no workload's: a load balancer of layer 7, or a "
    "proxy that inspects TLS. An east-west gateway passes TLS through to the pods (AUTO_PASSTHROUGH)",
    cure="Use a load balancer of layer 4 (TCP) for the gateway; take listeners with certificates off its port 15443",
    source="https://github.com/istio/istio.io/issues/16648",
)

GATEWAY_PORTS = Check(
    "gateway-ports",
    "port 15443 of every gateway answers pods of the other networks, with the certificate of a workload",
    (SHUT, TLS_ENDED),
    needs=("api-servers", "trust-chains", "trust-roots", "trust-proxies", "gateways"),
    probe=True,
)


def _gateway_ports(observed: Observed) -> Iterator[Result]:
    untold: set[str] = set()
    for link in crossing(observed):
        reader = observed.clusters[link.reader.name]
        if reason := unanswered(reader) or (reader.handshakes.reason if isinstance(reader.handshakes, Unknown) else ""):
            if reader.name not in untold:
                yield skipped(GATEWAY_PORTS, reason, reader.name)
            untold.add(reader.name)
        elif not isinstance(reader.handshakes, Unknown):
            yield from _of_link(link, [each for each in reader.handshakes if each.peer == link.peer.name])


def _of_link(link: Link, tried: Sequence[GatewayHandshake]) -> Iterator[Result]:
    reader, peer = link.reader.name, link.peer.name
    if not tried:
        yield skipped(GATEWAY_PORTS, f"no address of {peer}'s gateway was tried", reader, peer)
    wrong = [result for each in tried if (result := _of_handshake(link, each)) is not None]
    addresses = ", ".join(f"{each.address}:{each.port}" for each in tried)
    yield from wrong or ([ok(GATEWAY_PORTS, reader, peer, addresses)] if tried else [])


def _of_handshake(link: Link, tried: GatewayHandshake) -> Result | None:
    reader, peer = link.reader.name, link.peer.name
    where = f"{tried.address}:{tried.port} of {peer}'s gateway"
    if not tried.connected or not tried.chain:
        how = "TCP connects, but no TLS comes about" if tried.connected else "no TCP connection comes about"
        message = f"{where} does not answer a pod of {reader}: {how}{f' ({tried.reason})' if tried.reason else ''}"
        return found(GATEWAY_PORTS, SHUT, message, reader, peer)
    if not any(each.startswith(SPIFFE) for each in tried.identities):
        leaf = tried.chain[0]
        shown = f"{leaf.subject or 'no subject'}, issued by {leaf.issuer}"
        message = f"{where} shows a pod of {reader} a certificate that is no workload's: {shown}"
        return found(GATEWAY_PORTS, TLS_ENDED, message, reader, peer)
    return None


EXAMINED = (Examined(GATEWAY_PORTS, _gateway_ports),)
