"""The client's side: its sidecar, the name and port, the listener and the route."""

from dataclasses import replace

import pytest

from envoy.route import Route, RouteConfiguration, VirtualHost, WeightedCluster
from health.check import State
from health.walk import outbound
from health.walk.asked import Asked
from health.walk.facts import Pod, Proxy, Site, Unread
from tests.unit.envoy.recordings import CLUSTER, config
from tests.unit.health.walk.sites import CLIENT, HELLO, HERE, SERVICE, THERE, client, policy


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("helloworld", ("sample", "helloworld")),
        ("helloworld.other", ("other", "helloworld")),
        ("helloworld.other.svc", ("other", "helloworld")),
        ("helloworld.other.svc.cluster.local", ("other", "helloworld")),
        ("helloworld.other.svc.cluster.local.", ("other", "helloworld")),
        ("www.example.com", None),
        ("10.96.0.1", None),
        ("fd00::1", None),
    ],
)
def test_a_name_is_of_the_service_that_a_resolver_would_find(host: str, service: tuple[str, str] | None) -> None:
    assert Asked(host, 80).service("sample") == service


def test_a_client_without_sidecar_is_out_of_the_mesh() -> None:
    step = outbound.client(replace(CLIENT, sidecar=False), "network1", None)
    assert step.cause is not None
    assert step.cause.code == "SM710"


def test_a_proxy_that_does_not_answer_is_not_taken_as_fine() -> None:
    step = outbound.client(CLIENT, "network1", Unread("forbidden"))
    assert (step.state, step.message) == (State.SKIPPED, "forbidden")


def name_of(asked: Asked, here: Site, there: Site, *, captured: bool = False) -> tuple[str | None, str]:
    step = outbound.name(asked, CLIENT, here, [there], captured)
    return step.cause.code if step.cause else None, step.message


def test_a_service_of_the_other_cluster_only_is_unknown_to_dns() -> None:
    lacking = replace(HERE, service=None)
    assert name_of(HELLO, lacking, THERE) == ("SM711", "cluster1 has no Service sample/helloworld; cluster2 has")
    code, said = name_of(HELLO, lacking, THERE, captured=True)
    assert (code, "answered by the sidecar's DNS, from cluster2" in said) == (None, True)


def test_a_name_that_no_cluster_has_is_wrong_unless_it_may_be_a_host_of_the_internet() -> None:
    sites = replace(HERE, service=None), replace(THERE, service=None)
    assert name_of(HELLO, *sites)[0] == "SM711"
    assert name_of(Asked("example.com", 443), *sites)[0] is None


def test_a_port_that_is_none_of_the_services_is_named() -> None:
    assert name_of(replace(HELLO, port=80), HERE, THERE) == (
        "SM712",
        "Service sample/helloworld in cluster1 has no port 80; it has 5000 (http)",
    )


def test_a_cluster_that_cannot_be_read_leaves_the_name_untold() -> None:
    step = outbound.name(HELLO, CLIENT, replace(HERE, service=Unread("forbidden")), [THERE], captured=False)
    assert step.state is State.SKIPPED


def test_listener_and_route_lead_to_the_services_cluster() -> None:
    listened = outbound.listener(HELLO, client(), SERVICE)
    assert listened.chain is not None
    assert listened.step.message == "0.0.0.0_5000: HTTP, routes 5000"
    routed = outbound.route(HELLO, client(), listened.chain, HERE, SERVICE)
    assert routed.route is not None
    assert [each.name for each in routed.route.clusters] == [CLUSTER]


def without_listener() -> Proxy:
    config_ = config("client")
    listeners = {k: v for k, v in config_.listeners.items() if k == "virtualOutbound"}
    return Proxy(CLIENT, replace(config_, listeners=listeners))


def test_a_service_that_the_proxy_does_not_know_goes_out_as_it_is() -> None:
    step = outbound.listener(HELLO, without_listener(), SERVICE).step
    assert step.cause is not None
    assert (step.cause.code, "PassthroughCluster" in step.message) == ("SM714", True)
    assert outbound.listener(Asked("example.com", 443), without_listener(), None).step.cause is None


def test_the_sidecar_that_hides_it_is_named_and_only_one_that_selects_the_client() -> None:
    own = policy("Sidecar", "mine", egress=[{"hosts": ["./*"]}], workloadSelector={"labels": {"app": "sleep"}})
    other = policy("Sidecar", "other", egress=[{"hosts": ["x/*"]}], workloadSelector={"labels": {"app": "web"}})
    step = outbound.listener(HELLO, without_listener(), SERVICE).step
    told = outbound.narrowed(step, replace(HERE, policies=(other, own)), CLIENT)
    assert told.declared == ("Sidecar sample/mine (policies/hello.yaml)",)
    assert "lets it see ./*" in told.message


def routed(*routes: Route) -> Proxy:
    host = VirtualHost("hello", ("helloworld",), routes)
    return Proxy(CLIENT, replace(config("client"), routes={"5000": RouteConfiguration("5000", (host,))}))


def route_of(proxy: Proxy, asked: Asked = HELLO) -> outbound.Taken:
    chain = outbound.listener(asked, proxy, SERVICE).chain
    assert chain is not None
    return outbound.route(asked, proxy, chain, HERE, SERVICE)


def test_a_request_that_no_match_takes_is_told_what_each_asks() -> None:
    step = route_of(routed(Route("api", {"prefix": "/api"}, (WeightedCluster(CLUSTER, 1.0),)))).step
    assert step.cause is not None
    assert (step.cause.code, step.details) == ("SM713", ("not api: prefix /api",))


def test_an_abort_is_a_fault_and_a_delay_is_told() -> None:
    everything = {"prefix": "/"}
    clusters = (WeightedCluster(CLUSTER, 1.0),)
    aborted = route_of(routed(Route("r", everything, clusters, fault="abort 50 % by 503"))).step
    delayed = route_of(routed(Route("r", everything, clusters, fault="delay 50 % by 2s"))).step
    assert aborted.cause is not None
    assert aborted.cause.code == "SM726"
    assert (delayed.cause, delayed.details) == (None, ("delay 50 % by 2s",))


def test_a_route_by_a_tokens_claims_is_not_judged() -> None:
    route = Route("r", {"prefix": "/", "dynamic_metadata": [{}]}, (WeightedCluster(CLUSTER, 1.0),))
    assert route_of(routed(route)).step.state is State.SKIPPED


def test_a_registry_only_mesh_refuses_what_it_does_not_know() -> None:
    blocked = routed(Route("block_all", {"prefix": "/"}, (), direct=502))
    step = route_of(blocked).step
    assert step.cause is not None
    assert (step.cause.code, "is refused (BlackHoleCluster)" in step.message) == ("SM714", True)


def test_pods_of_a_namespace_are_told_apart_by_a_policys_selector() -> None:
    everyone = policy("Sidecar", "all")
    assert everyone.concerns(CLIENT, "istio-system")
    assert not replace(everyone, namespace="other").concerns(CLIENT, "istio-system")
    assert replace(everyone, namespace="istio-system").concerns(CLIENT, "istio-system")
    assert not policy("PeerAuthentication", "web", selector={"matchLabels": {"app": "web"}}).concerns(
        Pod("c", "sample", "p", labels={"app": "sleep"}), "istio-system"
    )
