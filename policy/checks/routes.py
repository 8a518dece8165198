"""Where routes send requests: the destinations of VirtualServices and of the Gateway API's routes, in one form."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy.document import Path
from policy.hosts import SUFFIX, full_name, service_of
from policy.world import Placed

GATEWAY_API = "gateway.networking.k8s.io"
ISTIO_ROUTES = ("http", "tls", "tcp")
GATEWAY_API_ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")


@dataclass(frozen=True)
class Destination:
    """One destination of a route.

    Attributes:
        path: path of the destination in its document.
        host_path: path of the key that names its host.
        written: the host as written.
        host: the full host.
        subset: its subset; empty for none.
        port: number of the port; None where none is given.
        weight: its weight; None where none is given.
        mirror: whether it only gets copies.
    """

    path: Path
    host_path: Path
    written: str
    host: str
    subset: str = ""
    port: int | None = None
    weight: int | None = None
    mirror: bool = False

    @property
    def service(self) -> tuple[str, str] | None:
        """Namespace and name of the Service; None where the host is none of Kubernetes."""
        return service_of(self.host)

    def __str__(self) -> str:
        return f"subset {self.subset} of {self.written}" if self.subset else self.written


@dataclass(frozen=True)
class Route:
    """One route of a document and all its destinations.

    Attributes:
        placed: the document and where it is.
        path: path of its list of destinations.
        destinations: where requests go, without mirrors.
        mirrors: where copies go.
    """

    placed: Placed
    path: Path
    destinations: tuple[Destination, ...]
    mirrors: tuple[Destination, ...] = ()

    def share(self, destination: Destination) -> float:
        """Which share of the route's requests a destination gets, from 0 to 1.

        A single destination gets all, whatever its weight; of several, each gets its weight by the sum of all
        (https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRouteDestination). In Istio's
        own routes no weight is 0, in the Gateway API's it is 1.
        """
        if destination.mirror:
            return 0.0
        gateway_api = self.placed.document.group == GATEWAY_API
        if len(self.destinations) == 1 and not gateway_api:
            return 1.0
        default = 1 if gateway_api else 0
        weights = [default if d.weight is None else max(d.weight, 0) for d in self.destinations]
        own = default if destination.weight is None else max(destination.weight, 0)
        return own / sum(weights) if sum(weights) else 0.0


def routes(placed: Placed) -> Iterator[Route]:
    """Every route of a document that leads somewhere; none for other kinds, or for what has not the shape of one."""
    document = placed.document
    if document.group == "networking.istio.io" and document.kind == "VirtualService":
        yield from _of_virtual_service(placed)
    elif document.group == GATEWAY_API and document.kind in GATEWAY_API_ROUTES:
        yield from _of_gateway_api(placed)


def gateways(placed: Placed) -> tuple[str, ...]:
    """What a VirtualService is bound to; ``mesh``, every sidecar, where it names nothing."""
    named = placed.document.spec.get("gateways")
    return tuple(str(name) for name in named) if isinstance(named, list) and named else ("mesh",)


def percent(share: float) -> str:
    """A share for people: ``20 %``, ``33.3 %``."""
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: what has the wrong shape is told by other checks."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[tuple[int, Mapping[str, Any]]]:
    """The mappings of a list, with their places in it."""
    if not isinstance(value, list):
        return []
    return [(index, item) for index, item in enumerate(value) if isinstance(item, Mapping)]


def whole(value: object) -> int | None:
    """The value if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _of_virtual_service(placed: Placed) -> Iterator[Route]:
    spec = placed.document.spec
    for protocol in ISTIO_ROUTES:
        for index, route in mappings(spec.get(protocol)):
            at: Path = ("spec", protocol, index)
            there = [
                _istio(placed, (*at, "route", i, "destination"), item.get("destination"), item)
                for i, item in mappings(route.get("route"))
            ]
            copies = [_istio(placed, (*at, "mirror"), route.get("mirror"))]
            copies += [
                _istio(placed, (*at, "mirrors", i, "destination"), item.get("destination"))
                for i, item in mappings(route.get("mirrors"))
            ]
            found, mirrors = tuple(d for d in there if d), tuple(d for d in copies if d)
            if found or mirrors:
                yield Route(placed, (*at, "route"), found, mirrors)


def _istio(placed: Placed, path: Path, value: object, weighed: Mapping[str, Any] | None = None) -> Destination | None:
    destination = mapping(value)
    host = destination.get("host")
    if not isinstance(host, str) or not host:
        return None
    return Destination(
        path,
        (*path, "host"),
        host,
        full_name(host, placed.document.namespace),
        str(destination.get("subset") or ""),
        whole(mapping(destination.get("port")).get("number")),
        whole((weighed or {}).get("weight")),
        mirror=weighed is None,
    )


def _of_gateway_api(placed: Placed) -> Iterator[Route]:
    for index, rule in mappings(placed.document.spec.get("rules")):
        at: Path = ("spec", "rules", index)
        found = tuple(
            d
            for i, ref in mappings(rule.get("backendRefs"))
            if (d := _backend(placed, (*at, "backendRefs", i), ref, mirror=False))
        )
        mirrors = tuple(
            d
            for i, item in mappings(rule.get("filters"))
            if item.get("type") == "RequestMirror"
            and (ref := mapping(mapping(item.get("requestMirror")).get("backendRef")))
            and (d := _backend(placed, (*at, "filters", i, "requestMirror", "backendRef"), ref, mirror=True))
        )
        if found or mirrors:
            yield Route(placed, (*at, "backendRefs"), found, mirrors)


def _backend(placed: Placed, path: Path, ref: Mapping[str, Any], *, mirror: bool) -> Destination | None:
    name, what = ref.get("name"), (str(ref.get("group") or ""), str(ref.get("kind") or "Service"))
    if not isinstance(name, str) or not name:
        return None
    if what == ("", "Service"):
        host = f"{name}.{ref.get('namespace') or placed.document.namespace}.{SUFFIX}"
    elif what == ("networking.istio.io", "Hostname"):
        host = name
    else:
        return None
    weight = None if mirror else whole(ref.get("weight"))
    return Destination(path, (*path, "name"), name, host, "", whole(ref.get("port")), weight, mirror)
