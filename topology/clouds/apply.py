"""A preset laid under a gateway, and held against it."""

from collections.abc import Iterator
from typing import Literal, TypeVar

from topology.clouds.preset import Cloud, clouds
from topology.clouds.rules import holds, problems_of
from topology.clouds.settings import Settings, settings_of
from topology.errors import Problem
from topology.gateway import Gateway

LOAD_BALANCER = "LoadBalancer"
AnyGateway = TypeVar("AnyGateway", bound=Gateway)


def with_cloud(cloud: Cloud, gateway: AnyGateway) -> AnyGateway:
    """``gateway`` with what the preset adds: its annotations, and its load-balancer class, below the user's.

    A Service that is no load balancer gets nothing. Doing it twice is the same as doing it once.

    Args:
        cloud: the preset.
        gateway: what the user declared, the mesh's defaults included.
    """
    if gateway.type != LOAD_BALANCER:
        return gateway
    settings = settings_of("", gateway, cloud.older_prefixes)
    annotations: dict[str, str] = {}
    load_balancer_class = gateway.load_balancer_class
    for default in cloud.defaults:
        if holds(default.when, settings):
            annotations |= {name: value for name, value in default.annotations.items() if not settings.given(name)}
            load_balancer_class = load_balancer_class or default.load_balancer_class
    return gateway.model_copy(
        update={"annotations": annotations | gateway.annotations, "load_balancer_class": load_balancer_class}
    )


def cloud_problems(key: str, cloud: Cloud, gateway: Gateway) -> Iterator[Problem]:
    """What the load balancer of ``cloud`` cannot do of what the gateway asks, and what it needs besides.

    Nothing is said of a Service that is no load balancer, except of annotations that are another cloud's.

    Args:
        key: path of the gateway, for example ``spanmesh:mesh.clusters[0].eastWest``.
        cloud: the preset.
        gateway: what the user declared, the mesh's defaults included; with or without the preset's additions. An
            :class:`~topology.gateway.Ingress` may have TLS ended at its load balancer, an east-west gateway may not.
    """
    settings = settings_of(key, with_cloud(cloud, gateway), cloud.older_prefixes)
    yield from _foreign(cloud, gateway, settings)
    if gateway.type == LOAD_BALANCER:
        for rule in cloud.rules:
            yield from problems_of(rule, settings, cloud.url(rule.source))


def _foreign(cloud: Cloud, gateway: Gateway, settings: Settings) -> Iterator[Problem]:
    own = (*cloud.prefixes, *cloud.older_prefixes)
    for name in gateway.annotations:
        if name.startswith(own):
            continue
        for other in clouds().values():
            if name.startswith((*other.prefixes, *other.older_prefixes)):
                yield Problem(
                    f'{settings.key}.annotations["{name}"]',
                    f"it is an annotation of {other.title}; {cloud.title} does not read it",
                    f"Remove it, or write `cloud: {other.name}` if the cluster runs there",
                )
                break


def address_kind(cloud: Cloud, gateway: Gateway) -> Literal["ip", "hostname"]:
    """What the load balancer's address will be.

    A hostname is resolved by istiod, which ``RESOLVE_HOSTNAME_GATEWAYS: "false"`` would forbid
    (https://github.com/istio/istio/issues/29359).
    """
    settings = settings_of("", with_cloud(cloud, gateway), cloud.older_prefixes)
    return next(address.kind for address in cloud.addresses if holds(address.when, settings))


def restricted(cloud: Cloud, gateway: Gateway) -> bool:
    """Whether anything keeps part of the world from the load balancer, by `sourceRanges` or the cloud's own means."""
    settings = settings_of("", with_cloud(cloud, gateway), cloud.older_prefixes)
    return bool(gateway.source_ranges) or any(holds(way.when, settings) for way in cloud.closed)
