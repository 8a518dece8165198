"""Canary and locality failover of one Service, as one VirtualService and one DestinationRule."""

from collections.abc import Mapping, Sequence
from typing import Any

from policy.document import Document
from policy.finding import ACKNOWLEDGE
from policy.hosts import full_name
from topology.policy import GATEWAY_ERRORS, Canary, LocalityFailover, OutlierDetection, Retries, subset_name

# Served since Istio 1.22: https://istio.io/latest/news/releases/1.22.x/announcing-1.22/
API_VERSION = "networking.istio.io/v1"


def documents(
    file: str,
    canary: Canary | None = None,
    failover: LocalityFailover | None = None,
    versions: Sequence[Canary] = (),
    acknowledge: Mapping[str, str] | None = None,
) -> list[Document]:
    """The objects of one Service in one cluster: the VirtualService, where one is needed, and the DestinationRule.

    Both helpers go into the same two objects: of several DestinationRules for a host istiod takes the trafficPolicy of
    the oldest alone, and of several VirtualServices one
    (https://istio.io/latest/docs/ops/best-practices/traffic-management/#split-virtual-services).

    Args:
        file: the key of the stack file that says so.
        canary: shares of the requests by version.
        failover: which region's endpoints are taken.
        versions: canaries of the same Service in other clusters. Their subsets are needed here too: an east-west
            gateway passes on what is meant for a subset only if its own istiod knows that.
        acknowledge: reasons by the codes of findings.

    Raises:
        ValueError: nothing is given, or what is given is of several Services.
    """
    given = [helper for helper in (canary, failover, *versions) if helper]
    if len({helper.service for helper in given}) != 1:
        raise ValueError("a canary, a locality failover, or both of one Service are needed")
    name, _, namespace = given[0].service.partition(".")
    host = full_name(name, namespace)
    retries = failover.retries if failover else None
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if acknowledge:
        metadata["annotations"] = {ACKNOWLEDGE + code: reason for code, reason in acknowledge.items()}
    specs = {"DestinationRule": _destination_rule(host, [*([canary] if canary else []), *versions], failover)}
    if canary or retries:
        specs = {"VirtualService": _virtual_service(host, canary, retries), **specs}
    return [
        Document(file, 1, {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
        for kind, spec in specs.items()
    ]


def _virtual_service(host: str, canary: Canary | None, retries: Retries | None) -> dict[str, Any]:
    # Without a canary it sends requests where they went before: istiod's own route for the host differs in nothing but
    # its retries (pilot/pkg/networking/core/route/route.go, BuildDefaultHTTPOutboundRoute and translateRoute).
    again = {"retries": _retries(retries)} if retries else {}
    if canary is None:
        return {"hosts": [host], "http": [{"route": [{"destination": {"host": host}}], **again}]}
    matched = [
        {
            "match": [{"headers": {n: h.model_dump(exclude_unset=True) for n, h in match.headers.items()}}],
            "route": [{"destination": _subset(host, match.version)}],
            **again,
        }
        for match in canary.match
    ]
    shares = [{"destination": _subset(host, version), "weight": weight} for version, weight in canary.versions.items()]
    return {"hosts": [host], "http": [*matched, {"route": shares, **again}]}


def _subset(host: str, version: str) -> dict[str, str]:
    return {"host": host, "subset": subset_name(version)}


def _retries(retries: Retries) -> dict[str, Any]:
    if retries.attempts == 0:
        return {"attempts": 0}
    timeout = {"perTryTimeout": retries.per_try_timeout} if retries.per_try_timeout else {}
    # Without it every try stays in the region until the failed endpoint is seen to have failed. With it the tries after
    # the second leave it (pilot/pkg/networking/core/route/retry/retry.go, UpdateFrequency).
    return {"attempts": retries.attempts, **timeout, "retryOn": retries.retry_on, "retryRemoteLocalities": True}


def _destination_rule(host: str, canaries: Sequence[Canary], failover: LocalityFailover | None) -> dict[str, Any]:
    spec: dict[str, Any] = {"host": host}
    if failover:
        spec["trafficPolicy"] = _traffic_policy(failover)
    labels = {subset_name(v): {canary.label: v} for canary in canaries for v in canary.versions}
    if labels:
        spec["subsets"] = [{"name": name, "labels": label} for name, label in labels.items()]
    return spec


def _traffic_policy(failover: LocalityFailover) -> dict[str, Any]:
    locality: dict[str, Any] = {"enabled": True}
    if failover.failover:
        locality["failover"] = [{"from": each.from_, "to": each.to} for each in failover.failover]
    pool = {"connectionPool": failover.connection_pool} if failover.connection_pool else {}
    return {
        **pool,
        "loadBalancer": {"simple": failover.load_balancer, "localityLbSetting": locality},
        "outlierDetection": _outlier_detection(failover.outlier_detection),
    }


def _outlier_detection(declared: OutlierDetection) -> dict[str, Any]:
    counted = {"consecutive_gateway_errors", "consecutive_5xx_errors"} & declared.model_dump(exclude_none=True).keys()
    gateway_errors = {} if counted else {"consecutiveGatewayErrors": GATEWAY_ERRORS}
    return {**gateway_errors, **declared.model_dump(by_alias=True, exclude_none=True)}
