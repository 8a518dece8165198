"""The gateway's side: the server name that it knows, and whom it passes the connection on to."""

from dataclasses import replace

from health.walk import gateway
from health.walk.facts import Port, Proxy, Service, Site
from tests.unit.envoy.recordings import HOST, SNI
from tests.unit.health.walk.sites import HERE, SERVER, THERE, subsets, with_cluster
from tests.unit.health.walk.sites import gateway as gateway_proxy

V2 = f"outbound_.5000_.v2_.{HOST}"


def code(passed: gateway.Passed) -> str | None:
    return passed.step.cause.code if passed.step.cause else None


def said(sni: str, there: Site, here: Site = HERE, proxy: Proxy | None = None) -> tuple[str | None, str]:
    passed = gateway.passes(sni, proxy or gateway_proxy(), there, here)
    return code(passed), passed.step.message


def test_a_known_server_name_is_passed_on_to_its_pods() -> None:
    passed = gateway.passes(SNI, gateway_proxy(), THERE, HERE)
    assert code(passed) is None
    assert [str(each) for each in passed.endpoints] == ["10.244.0.4:5000"]


def test_a_subset_of_the_clients_cluster_alone_names_its_rule_and_file() -> None:
    here = replace(HERE, policies=(subsets("hello", "v2"),))
    passed = gateway.passes(V2, gateway_proxy(), THERE, here)
    assert code(passed) == "SM719"
    assert "cluster2 has no DestinationRule of" in passed.step.message
    assert passed.step.declared == ("DestinationRule sample/hello (policies/hello.yaml)",)
    assert passed.step.cure.startswith("Declare DestinationRule sample/hello (policies/hello.yaml) for cluster2 too")


def test_a_rule_that_is_there_and_not_yet_sent_is_not_called_missing() -> None:
    found = said(V2, replace(THERE, policies=(subsets("hello", "v2"),)))
    assert found[0] == "SM719"
    assert found[1].endswith("its istiod has not sent it (yet)")


def test_a_service_or_port_that_the_serving_cluster_lacks_is_named() -> None:
    assert said(V2, replace(THERE, service=None))[1].endswith(f"cluster2 has no Service of {HOST}")
    other = Service("sample", "helloworld", (), (Port("http", 80, 80),))
    assert said(V2, replace(THERE, service=other))[1].endswith("the Service in cluster2 has no port 5000")


def test_a_gateway_without_its_listener_lacks_the_gateway_object() -> None:
    proxy = gateway_proxy()
    bare = replace(proxy, config=replace(proxy.config, listeners={}))
    assert said(SNI, THERE, proxy=bare)[0] == "SM719"
    assert "no Gateway of AUTO_PASSTHROUGH" in said(SNI, THERE, proxy=bare)[1]


def test_a_gateway_without_endpoints_says_why() -> None:
    empty = with_cluster(gateway_proxy(), SNI)
    assert said(SNI, replace(THERE, pods=()), proxy=empty)[0] == "SM716"
    assert "no pod in cluster2 has app=helloworld" in said(SNI, replace(THERE, pods=()), proxy=empty)[1]
    unready = replace(THERE, pods=(replace(SERVER, ready=False),))
    assert "no pod is ready" in said(SNI, unready, proxy=empty)[1]
    bare = replace(THERE, pods=(replace(SERVER, sidecar=False),))
    assert "its pods have no sidecar" in said(SNI, bare, proxy=empty)[1]
