"""Istio policy that a cluster holds, and what of the declared one is not as declared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from health.live_policy import LivePolicy, PolicyDeviation
from health.observed import Unknown
from live.drift import ClusterDrift, Deviation, Difference, Expected, drift_of
from live.kubeconfig import ClusterAccess
from live.observed.asked import Asked
from live.policy.api import PODS, Api, Kind
from policy.provenance import STACK

# What decides where requests between clusters go, and whether they are taken.
KINDS = (
    ("networking.istio.io", "DestinationRule"),
    ("networking.istio.io", "ServiceEntry"),
    ("networking.istio.io", "VirtualService"),
    ("security.istio.io", "PeerAuthentication"),
)


def read(asked: Asked) -> LivePolicy:
    """DestinationRules, ServiceEntries, VirtualServices, PeerAuthentications and idle Gateways of every namespace."""
    api = Api(asked.api)
    kinds = api.kinds()
    served = [kinds.of(group, kind)[0] for group, kind in KINDS if kinds.of(group, kind)]
    objects = tuple(_bare(item) for kind in served for item in api.list(kind))
    own = frozenset(subject(item) for item in objects if STACK in (item["metadata"].get("labels") or {}))
    return LivePolicy(objects, own, idle_gateways=_idle(api, kinds.of("networking.istio.io", "Gateway")))


def _idle(api: Api, served: Sequence[Kind]) -> dict[str, str]:
    """The Gateways whose selector no pod of any namespace has."""
    gateways: dict[str, list[str]] = {}
    for item in api.list(served[0]) if served else ():
        if labels := (item.get("spec") or {}).get("selector"):
            selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
            gateways.setdefault(selector, []).append(f"{item['metadata']['namespace']}/{item['metadata']['name']}")
    return {
        gateway: selector
        for selector, of in gateways.items()
        if next(api.list(PODS, selector=selector), None) is None
        for gateway in of
    }


def compared(access: ClusterAccess, expected: Expected, held: LivePolicy | Unknown) -> LivePolicy | Unknown:
    """What a cluster holds, with what of the declared policy is not as declared.

    Args:
        access: the cluster.
        expected: what is declared.
        held: what :func:`read` gave.
    """
    if isinstance(held, Unknown):
        return held
    told: list[ClusterDrift] = []
    drift_of({access.name: access}, replace(expected, releases=False), told.append)
    if told[0].unknown:
        return Unknown(told[0].unknown)
    return replace(held, compared=told[0].compared, deviations=tuple(map(_deviation, told[0].deviations)))


def subject(item: Mapping[str, Any]) -> str:
    """``VirtualService sample/helloworld``."""
    return f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def _deviation(each: Deviation) -> PolicyDeviation:
    return PolicyDeviation(each.state, str(each), each.source, tuple(map(_field, each.differences)), each.cure)


def _field(each: Difference) -> str:
    return f"{each.path} {each.change}{f' by {each.by}' if each.by else ''}"


def _bare(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in _parts(item) if key != "status"}


def _parts(item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in item.items():
        yield key, {k: v for k, v in value.items() if k != "managedFields"} if key == "metadata" else value
