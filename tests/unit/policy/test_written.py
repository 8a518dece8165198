"""What the typed helpers and the declared Services are written as."""

from typing import Any

import pytest
import yaml

from policy.document import Document
from policy.written import written
from policy.written.traffic import documents
from tests.unit.topology.test_load import changed
from topology import load_mesh
from topology.policy import Canary, LocalityFailover, Narrowed

HOST = "helloworld.sample.svc.cluster.local"
CANARY = {"service": "helloworld.sample", "versions": {"v2": 20, "v1": 80}}
FAILOVER = {
    "service": "helloworld.sample",
    "failover": [{"from": "cn-north-4", "to": "cn-east-3"}],
    "outlierDetection": {"consecutive5xxErrors": 1, "interval": "1s", "baseEjectionTime": "1m"},
    "connectionPool": {"http": {"maxRequestsPerConnection": 1}},
}
# What the article applies to both of its clusters by hand, with full host names.
ARTICLE = yaml.safe_load("""
host: helloworld.sample.svc.cluster.local
subsets:
- {name: v2, labels: {version: v2}}
- {name: v1, labels: {version: v1}}
trafficPolicy:
  connectionPool:
    http: {maxRequestsPerConnection: 1}
  loadBalancer:
    simple: ROUND_ROBIN
    localityLbSetting:
      enabled: true
      failover:
      - {from: cn-north-4, to: cn-east-3}
  outlierDetection: {consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 1m}
""")


def of(*policies: Any, **keys: Any) -> list[tuple[Document, Narrowed]]:
    return written(load_mesh(changed({"policies": list(policies), **keys})))


def spec(documents: list[tuple[Document, Narrowed]], kind: str) -> Any:
    (found,) = [document for document, _ in documents if document.kind == kind]
    return found.spec


def test_a_canary_and_a_locality_failover_of_one_service_are_two_objects_with_the_articles_values() -> None:
    documents = of({"canary": CANARY}, {"localityFailover": FAILOVER})
    assert [str(document) for document, _ in documents] == [
        "VirtualService sample/helloworld",
        "DestinationRule sample/helloworld",
    ]
    rule = spec(documents, "DestinationRule")
    # Without it Envoy lets one in ten of the endpoints be left out, or one.
    assert rule["trafficPolicy"]["outlierDetection"].pop("maxEjectionPercent") == 100
    assert rule == ARTICLE
    (route,) = spec(documents, "VirtualService")["http"]
    assert [(each["destination"], each["weight"]) for each in route["route"]] == [
        ({"host": HOST, "subset": "v2"}, 20),
        ({"host": HOST, "subset": "v1"}, 80),
    ]
    assert route["retries"]["retryRemoteLocalities"] is True
    assert {document.file for document, _ in documents} == {"spanmesh:mesh.policies[0]"}


def test_requests_matched_by_headers_come_before_the_weights() -> None:
    match = [
        {"headers": {"x-user": {"exact": "tester"}, "x-build": {"prefix": "2."}}, "version": "v2"},
        {"headers": {"user-agent": {"regex": ".*bot.*"}}, "version": "v1"},
    ]
    documents = of({"canary": {**CANARY, "match": match}})
    by_tester, by_bot, rest = spec(documents, "VirtualService")["http"]
    assert by_tester == {
        "match": [{"headers": {"x-user": {"exact": "tester"}, "x-build": {"prefix": "2."}}}],
        "route": [{"destination": {"host": HOST, "subset": "v2"}}],
    }
    assert by_bot["match"] == [{"headers": {"user-agent": {"regex": ".*bot.*"}}}]
    assert "match" not in rest
    assert "retries" not in rest, "without a failover Istio's own retries stay"
    assert "trafficPolicy" not in spec(documents, "DestinationRule")


def test_a_version_without_requests_keeps_its_subset_so_that_promotion_changes_weights_alone() -> None:
    before = of({"canary": CANARY})
    after = of({"canary": {**CANARY, "versions": {"v2": 100, "v1": 0}}})
    assert spec(before, "DestinationRule") == spec(after, "DestinationRule")
    (route,) = spec(after, "VirtualService")["http"]
    assert [each["weight"] for each in route["route"]] == [100, 0]


def test_a_version_that_is_no_dns_label_gets_a_subset_that_is_one() -> None:
    documents = of({"canary": {"service": "helloworld.sample", "versions": {"1.2_RC": 100}, "label": "release"}})
    assert spec(documents, "DestinationRule")["subsets"] == [{"name": "1-2-rc", "labels": {"release": "1.2_RC"}}]
    (route,) = spec(documents, "VirtualService")["http"]
    assert route["route"][0]["destination"]["subset"] == "1-2-rc"


def test_a_locality_failover_alone_sends_requests_where_they_went_and_says_how_often() -> None:
    virtual_service = spec(of({"localityFailover": FAILOVER}), "VirtualService")
    (route,) = virtual_service["http"]
    assert virtual_service["hosts"] == [HOST]
    assert route["route"] == [{"destination": {"host": HOST}}]
    # Two tries in the region, and the rest out of it.
    assert route["retries"]["attempts"] >= 2


@pytest.mark.parametrize(("retries", "kinds"), [(None, ["DestinationRule"]), ({"attempts": 0}, None)])
def test_retries_can_be_left_to_istio_or_switched_off(retries: Any, kinds: list[str] | None) -> None:
    documents = of({"localityFailover": {**FAILOVER, "retries": retries}})
    if kinds:
        assert [document.kind for document, _ in documents] == kinds
    else:
        assert spec(documents, "VirtualService")["http"][0]["retries"] == {"attempts": 0}


def test_a_narrowed_canary_routes_there_alone_and_its_subsets_are_known_everywhere() -> None:
    (rule, rule_where), (route, where) = of({"canary": CANARY, "clusters": ["cluster2"]})
    assert (route.kind, where.clusters) == ("VirtualService", ["cluster2"])
    assert (rule.kind, rule_where.clusters) == ("DestinationRule", [])
    assert [subset["name"] for subset in rule.spec["subsets"]] == ["v2", "v1"]


def test_each_cluster_has_one_route_and_one_rule_whatever_goes_there() -> None:
    made = of(
        {"canary": CANARY, "clusters": ["cluster1"]},
        {"canary": {**CANARY, "versions": {"v1": 100, "v3": 0}}, "regions": ["cn-east-3"]},
        {"localityFailover": FAILOVER, "networks": ["network2"]},
    )
    assert [(d.kind, d.file, narrowed.clusters) for d, narrowed in made] == [
        ("VirtualService", "spanmesh:mesh.policies[0]", ["cluster1"]),
        ("DestinationRule", "spanmesh:mesh.policies[0]", ["cluster1"]),
        ("VirtualService", "spanmesh:mesh.policies[1]", ["cluster2"]),
        ("DestinationRule", "spanmesh:mesh.policies[1]", ["cluster2"]),
    ]
    first, second = made[1][0].spec, made[3][0].spec
    assert "trafficPolicy" not in first
    assert "trafficPolicy" in second
    assert {s["name"] for s in first["subsets"]} == {s["name"] for s in second["subsets"]} == {"v1", "v2", "v3"}
    assert "retries" not in made[0][0].spec["http"][0]
    assert "retries" in made[2][0].spec["http"][0]


def test_a_failover_where_a_canary_is_not_leaves_the_routes_as_they_are() -> None:
    made = of({"localityFailover": FAILOVER}, {"canary": CANARY, "clusters": ["cluster2"]})
    routes = {tuple(narrowed.clusters): d.spec["http"] for d, narrowed in made if d.kind == "VirtualService"}
    assert [each["destination"] for each in routes["cluster1",][0]["route"]] == [{"host": HOST}]
    assert [each["weight"] for each in routes["cluster2",][0]["route"]] == [20, 80]
    assert [narrowed.clusters for d, narrowed in made if d.kind == "DestinationRule"] == [[]]


def test_findings_of_a_helper_are_acknowledged_in_the_objects_that_it_stands_for() -> None:
    made = of(
        {"canary": CANARY, "acknowledge": {"SM306": "no failover is meant"}},
        {"localityFailover": FAILOVER, "acknowledge": {"SM307": "one pod a region"}},
    )
    for document, _ in made:
        assert document.annotations == {
            "acknowledge.spanmesh.io/SM306": "no failover is meant",
            "acknowledge.spanmesh.io/SM307": "one pod a region",
        }


def test_a_declared_service_goes_without_selector_to_the_clusters_that_do_not_run_it() -> None:
    ports = [{"name": "http", "port": 5000}, {"name": "data", "port": 5001, "appProtocol": "grpc"}]
    ((document, narrowed),) = of(services=[{"service": "helloworld.sample", "ports": ports, "servedBy": ["cluster2"]}])
    assert str(document) == "Service sample/helloworld"
    assert document.spec == {"ports": ports}
    assert narrowed.clusters == ["cluster1"]
    assert document.file == "spanmesh:mesh.services[0]"
    assert document.annotations["pulumi.com/skipAwait"] == "true"


def test_helpers_of_two_services_do_not_share_objects() -> None:
    canary = Canary.model_validate(CANARY)
    with pytest.raises(ValueError, match="one Service"):
        documents("x", canary, LocalityFailover(service="other.sample"))
    with pytest.raises(ValueError, match="needed"):
        documents("x")


@pytest.mark.parametrize(
    ("declared", "counted"),
    [
        ({}, {"consecutiveGatewayErrors": 3}),
        ({"consecutive5xxErrors": 7}, {"consecutive5xxErrors": 7}),
        ({"consecutiveGatewayErrors": 5}, {"consecutiveGatewayErrors": 5}),
    ],
)
def test_gateway_errors_are_counted_unless_the_item_says_otherwise(
    declared: dict[str, int], counted: dict[str, int]
) -> None:
    item = {"localityFailover": {**FAILOVER, "outlierDetection": declared}}
    found = spec(of(item), "DestinationRule")["trafficPolicy"]["outlierDetection"]
    assert {key: value for key, value in found.items() if key.startswith("consecutive")} == counted
