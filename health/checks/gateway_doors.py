"""SM650: whether port 15443 of east-west gateways still takes connections; whom else it refused is told."""

from collections.abc import Iterator

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import unanswered
from health.examination import Examined
from health.observed import Observed, Unknown
from health.proxy import Door, Proxy
from topology.defaults import east_west_of

AT_LIMIT = Cause(
    "SM650",
    "gateway closes connections beyond its limit",
    "warning",
    symptom="New connections from other clusters are reset now and then, or all of them, while old ones go on; retries "
    "hide a part of it",
    cause="More connections than `eastWest.maxConnections` at one pod of the gateway: more clients than it is made "
    "for, or somebody who opens many",
    cure="Let only the other clusters in (`eastWest.sourceRanges`, or the access control of the cloud); for more "
    "clients raise `eastWest.maxConnections` (10 KiB of memory for each that says nothing, more with traffic) or "
    "`eastWest.replicas`, and run `pulumi up`",
    source="https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/runtime",
)
GATEWAY_DOORS = Check(
    "gateway-limits",
    "no east-west gateway closes connections because it has too many",
    (AT_LIMIT,),
    needs=("api-servers", "istiods", "gateways"),
)


def _gateway_doors(observed: Observed) -> Iterator[Result]:
    for name, cluster in observed.clusters.items():
        if reason := unanswered(cluster) or (cluster.proxies.reason if isinstance(cluster.proxies, Unknown) else ""):
            yield skipped(GATEWAY_DOORS, reason, name)
        elif not isinstance(cluster.proxies, Unknown):
            limit = east_west_of(observed.mesh, observed.mesh.cluster(name)).max_connections
            yield from _of_proxies(name, [each for each in cluster.proxies if each.door is not None], limit)


def _of_proxies(name: str, gateways: list[Proxy], limit: int) -> Iterator[Result]:
    full = [(each.proxy, each.door) for each in gateways if each.door and each.door.lately_over]
    for proxy, door in full:
        message = (
            f"gateway {proxy} closed {door.lately_over} connections within a second ({door.over} since it started) and "
            f"holds {door.held}; its limit is {limit}"
        )
        yield found(GATEWAY_DOORS, AT_LIMIT, message, name)
    if not full:
        yield ok(GATEWAY_DOORS, name, message=_told([each.door for each in gateways if each.door], limit))


def _told(doors: list[Door], limit: int) -> str:
    if not doors:
        return "no gateway that counts its connections"
    held, over, strangers = (sum(getattr(d, part) for d in doors) for part in ("held", "over", "strangers"))
    refused = f"{over} beyond the limit, {strangers} that were no mutual TLS to a Service"
    return f"{held} connections of at most {limit * len(doors)}; refused since the start: {refused}"


EXAMINED = (Examined(GATEWAY_DOORS, _gateway_doors),)
