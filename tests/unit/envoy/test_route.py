"""Which route takes a request, as Envoy decides it."""

from typing import Any

import pytest

from envoy.route import Request, WeightedCluster, read_route_configuration
from tests.unit.envoy.recordings import CLUSTER, config


@pytest.mark.parametrize(
    "authority", ["helloworld", "helloworld.sample:5000", "helloworld.sample.svc.cluster.local", "10.96.82.203:5000"]
)
def test_every_name_of_a_service_leads_to_its_virtual_host(authority: str) -> None:
    host = config("client").routes["5000"].host_of(authority)
    assert host is not None
    assert [c.name for c in host.routes[0].clusters] == [CLUSTER]


def test_another_host_is_let_through_as_it_is() -> None:
    host = config("client").routes["5000"].host_of("example.com:5000")
    assert host is not None
    assert host.routes[0].clusters == (WeightedCluster("PassthroughCluster", 1.0),)


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("a.example.com", "exact"),
        ("b.example.com", "longer suffix"),
        ("b.c.com", "suffix"),
        ("b.de", "prefix"),
        ("x.org", "all"),
    ],
)
def test_the_most_specific_domain_wins(authority: str, name: str) -> None:
    domains = {
        "all": "*",
        "suffix": "*.com",
        "longer suffix": "*.example.com",
        "prefix": "b.*",
        "exact": "a.example.com",
    }
    hosts = [{"name": key, "domains": [domain]} for key, domain in domains.items()]
    found = read_route_configuration({"virtual_hosts": hosts}).host_of(authority)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("match", "request_", "takes"),
    [
        ({"prefix": "/"}, Request("h", "/any"), True),
        ({"prefix": "/api"}, Request("h", "/apis"), True),
        ({"path_separated_prefix": "/api"}, Request("h", "/apis"), False),
        ({"path_separated_prefix": "/api"}, Request("h", "/api/v1"), True),
        ({"path": "/hello"}, Request("h", "/hello?x=1"), True),
        ({"path": "/hello"}, Request("h", "/hello/"), False),
        ({"path": "/Hello", "case_sensitive": False}, Request("h", "/hELLO"), True),
        ({"safe_regex": {"regex": "/v[0-9]+"}}, Request("h", "/v12"), True),
        ({"safe_regex": {"regex": "/v[0-9]+"}}, Request("h", "/v12/x"), False),
        ({"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}, Request("h"), False),
        (
            {"prefix": "/", "headers": [{"name": "x-user", "string_match": {"exact": "jane"}}]},
            Request("h", headers={"x-user": "jane"}),
            True,
        ),
        ({"prefix": "/", "headers": [{"name": "x-user", "string_match": {"exact": "jane"}}]}, Request("h"), False),
        ({"prefix": "/", "headers": [{"name": "x-user", "present_match": True}]}, Request("h"), False),
        (
            {"prefix": "/", "headers": [{"name": "x-user", "present_match": True, "invert_match": True}]},
            Request("h"),
            True,
        ),
        (
            {"prefix": "/", "query_parameters": [{"name": "v", "string_match": {"exact": "2"}}]},
            Request("h", "/?v=2"),
            True,
        ),
        ({"prefix": "/", "dynamic_metadata": [{"filter": "jwt"}]}, Request("h"), None),
        ({"prefix": "/no", "dynamic_metadata": [{"filter": "jwt"}]}, Request("h"), False),
    ],
)
def test_a_route_takes_a_request_or_not(match: dict[str, Any], request_: Request, takes: bool | None) -> None:
    body = {"virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [{"match": match, "route": {"cluster": "c"}}]}]}
    (host,) = read_route_configuration(body).hosts
    assert host.routes[0].takes(request_) is takes


def test_weights_are_shares_of_all_and_a_fault_is_told() -> None:
    fault = {"abort": {"http_status": 503, "percentage": {"numerator": 500000, "denominator": "MILLION"}}}
    route = {
        "match": {"prefix": "/"},
        "name": "canary",
        "route": {"weighted_clusters": {"clusters": [{"name": "a", "weight": 80}, {"name": "b", "weight": 20}]}},
        "typed_per_filter_config": {"envoy.filters.http.fault": fault},
        "metadata": {
            "filter_metadata": {
                "istio": {"config": "/apis/networking.istio.io/v1alpha3/namespaces/sample/virtual-service/hello"}
            }
        },
    }
    body = {"virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [route]}]}
    (read,) = read_route_configuration(body).hosts[0].routes
    assert read.clusters == (WeightedCluster("a", 0.8), WeightedCluster("b", 0.2))
    assert read.fault == "abort 50 % by 503"
    # 1.22.3 notes v1alpha3, current v1.
    assert str(read.origin) == "VirtualService sample/hello"
