"""How clusters are asked for their verdict."""

from collections.abc import Set

import pytest

from live.policy import Judgement, judge, read_all
from tests.unit.live.policy.api_server import FakeApiServer, istio_cluster
from tests.unit.live.policy.objects import STACK, istio, placed, route, rule

SHOP = [{"metadata": {"name": "shop"}}]
PATH = "/apis/networking.istio.io/v1/namespaces/shop"
DENIED = (400, 'admission webhook "validation.istio.io" denied the request: configuration is invalid: weight -1 < 0')
DOWN = (500, 'failed calling webhook "validation.istio.io": failed to call webhook: connect: connection refused')


def judged(*objects: dict[str, object], servers: list[FakeApiServer], coming: Set[str] = frozenset()) -> Judgement:
    policy = placed(*objects)
    if len(servers) == 1:
        with servers[0].access("cluster1") as first:
            accesses = {"cluster1": first}
            return judge(accesses, STACK, policy, read_all(accesses, STACK, policy), coming)
    with servers[0].access("cluster1") as first, servers[1].access("cluster2") as second:
        accesses = {"cluster1": first, "cluster2": second}
        return judge(accesses, STACK, policy, read_all(accesses, STACK, policy), coming)


def test_nothing_but_dry_runs_is_ever_sent() -> None:
    server = istio_cluster(namespaces=SHOP, destinationrules=[rule("v1", stack=STACK)])
    judged(rule("v1", "v2"), route("v1"), servers=[server])
    changes = [asked for asked in server.asked if asked.method != "GET"]
    assert {asked.path for asked in changes} == {f"{PATH}/destinationrules/reviews", f"{PATH}/virtualservices/reviews"}
    assert all(asked.query["dryRun"] == "All" for asked in changes)


def test_a_new_object_is_applied_and_a_live_one_gets_the_declared_content_in_place_of_its_own() -> None:
    live = rule("v1", stack=STACK)
    live["metadata"]["labels"]["team"] = "shop"
    server = istio_cluster(namespaces=SHOP, destinationrules=[live])
    judged(rule("v1", "v2"), route("v1"), servers=[server])
    changes = {asked.path.split("/")[-2]: asked for asked in server.asked if asked.method == "PATCH"}
    new, update = changes["virtualservices"], changes["destinationrules"]
    assert (new.content_type, new.query["force"]) == ("application/apply-patch+yaml", "true")
    assert new.body["metadata"]["labels"]["spanmesh.io/stack"] == STACK
    assert update.content_type == "application/json-patch+json"
    operations = {each["path"]: each for each in update.body}
    assert operations["/spec"] == {"op": "add", "path": "/spec", "value": rule("v1", "v2")["spec"]}
    labels = operations["/metadata/labels"]["value"]
    assert (labels["team"], labels["spanmesh.io/stack"]) == ("shop", STACK)


def test_the_same_refusal_of_several_clusters_is_one_finding() -> None:
    servers = [istio_cluster(namespaces=SHOP) for _ in range(2)]
    for server in servers:
        server.refusals[f"{PATH}/virtualservices/reviews"] = DENIED
    judgement = judged(route("v1"), servers=servers)
    assert [(f.rule.code, f.line, f.clusters) for f in judgement.findings] == [("SM501", 6, ("cluster1", "cluster2"))]
    assert judgement.unjudged == {}


def test_an_istiod_that_is_down_is_a_reason_and_no_finding() -> None:
    servers = [istio_cluster(namespaces=SHOP) for _ in range(2)]
    servers[1].refusals[f"{PATH}/virtualservices/reviews"] = DOWN
    judgement = judged(route("v1"), servers=servers)
    assert judgement.findings == ()
    assert "connection refused" in judgement.unjudged["cluster2"]
    assert "cluster1" not in judgement.unjudged


def test_a_cluster_without_istios_types_is_not_asked() -> None:
    server = istio_cluster()
    server.answers["/apis"] = {"groups": []}
    assert judged(route("v1"), servers=[server]) == Judgement()


@pytest.mark.parametrize(("coming", "codes"), [(frozenset(), ["SM504"]), (frozenset({"shop"}), [])])
def test_a_missing_namespace_is_told_unless_the_update_makes_it(coming: Set[str], codes: list[str]) -> None:
    server = istio_cluster()
    judgement = judged(route("v1"), servers=[server], coming=coming)
    assert [f.rule.code for f in judgement.findings] == codes
    assert all(asked.method == "GET" for asked in server.asked)


def test_an_unknown_version_is_told_with_those_that_are_known() -> None:
    server = istio_cluster(namespaces=SHOP)
    old = {**istio("EnvoyFilter", "x", {}), "apiVersion": "networking.istio.io/v1"}
    unknown = {**istio("HTTPRoute", "x", {}), "apiVersion": "gateway.networking.k8s.io/v1"}
    version, kind = judged(old, unknown, servers=[server]).findings
    assert (version.rule.code, version.cure) == ("SM503", "Write apiVersion: networking.istio.io/v1alpha3")
    assert (kind.rule.code, kind.cure) == ("SM503", "")
    assert "HTTPRoute of gateway.networking.k8s.io/v1" in kind.message


def test_an_object_of_someone_else_is_not_tried_at_all() -> None:
    server = istio_cluster(namespaces=SHOP, virtualservices=[route("v1", stack="other")])
    judgement = judged(route("v1"), servers=[server])
    assert [f.rule.code for f in judgement.findings] == ["SM502"]
    assert all(asked.method == "GET" for asked in server.asked)
