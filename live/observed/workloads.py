"""Namespaces, Services, and pods without sidecar."""

from collections.abc import Iterator, Mapping, Set
from concurrent.futures import Executor
from typing import Any

from health.matrix import PROBE_NAMESPACE
from live.observed.asked import Asked
from live.policy.api import INJECTORS, NAMESPACES, PODS, SERVICES, Api
from live.policy.contents import alike, service
from live.policy.injection import selectors, selects
from policy.world import Pods, Service

# What the injector writes, and istiod goes by: endpoints without it are given to no client on another network.
# https://github.com/istio/istio/issues/37258
WITHOUT_SIDECAR = "security.istio.io/tlsMode!=istio"
INJECT = "sidecar.istio.io/inject"
AMBIENT = ("istio.io/dataplane-mode", "ambient.istio.io/redirection")


def namespaces(asked: Asked) -> Mapping[str, bool]:
    """By name, whether pods made in it are injected, as the webhooks of the cluster choose them."""
    api = Api(asked.api)
    injecting = selectors(list(api.list(INJECTORS)))
    return {
        item["metadata"]["name"]: any(selects(each, item["metadata"].get("labels") or {}) for each in injecting)
        for item in api.list(NAMESPACES)
    }


def services(asked: Asked) -> tuple[Service, ...]:
    """Every Service but the probe's, which comes and goes in one cluster after the other."""
    found = map(service, Api(asked.api).list(SERVICES))
    return tuple(each for each in found if each.namespace != PROBE_NAMESPACE)


def unmeshed(api: Api, names: Set[str], pool: Executor) -> tuple[Pods, ...]:
    """Pods of some namespaces that have no sidecar and did not ask for none; alike ones together.

    Args:
        api: the cluster.
        names: namespaces.
        pool: asks for several at once.
    """
    found = pool.map(lambda name: alike(_without(api, name)), sorted(names))
    return tuple(pods for groups in found for pods in groups if not pods.injected)


def _without(api: Api, namespace: str) -> Iterator[Mapping[str, Any]]:
    # The API server leaves out what has one: of an injected namespace next to nothing is sent.
    for pod in api.list(PODS, namespace, WITHOUT_SIDECAR):
        marks = {**(pod["metadata"].get("annotations") or {}), **(pod["metadata"].get("labels") or {})}
        # Pods of the node's network are never injected.
        # https://istio.io/latest/docs/ops/common-problems/injection/
        if marks.get(INJECT) != "false" and not marks.keys() & set(AMBIENT) and not pod["spec"].get("hostNetwork"):
            yield pod
