"""Drift of clusters, asked of API servers on the loopback."""

import copy
import socket
from contextlib import ExitStack
from typing import Any

from live.drift import ClusterDrift, Expected, drift_of
from policy.world import Placed
from tests.unit.live.drift.servers import (
    AUTOSCALERS,
    CRD,
    DEPLOYMENT,
    STACK,
    WEBHOOK,
    as_applied,
    cluster,
    documents,
    managed,
    record,
)
from tests.unit.live.policy.api_server import FakeApiServer
from tests.unit.live.policy.api_server import cluster as access_of
from tests.unit.live.policy.objects import istio, route, rule


def drift(server: FakeApiServer, *declared: dict[str, Any], releases: bool = True) -> ClusterDrift:
    """What one cluster says, held against what is declared for it."""
    placed = [Placed(document, ("cluster1",)) for document in documents(*declared)]
    with server.access("cluster1") as access:
        [found] = drift_of({"cluster1": access}, Expected(STACK, placed, releases), lambda each: None)
    assert all(asked.method == "GET" for asked in server.asked)
    return found


def told(found: ClusterDrift) -> list[str]:
    """A line for each object that is not in step, and one for each of its fields."""
    assert not found.unknown, found.unknown
    lines = []
    for each in found.deviations:
        lines.append(f"{each.state} {each} ({each.source})")
        lines += [f"  {field.path} {field.change} {field.by}".rstrip() for field in each.differences]
    return lines


def test_what_is_as_declared_and_as_installed_is_in_step() -> None:
    found = drift(cluster(own=[as_applied(rule("v1"))]), rule("v1"))
    assert told(found) == []
    assert found.compared == 4


def test_policy_that_is_gone_changed_and_not_declared() -> None:
    changed = as_applied(route("v1"))
    changed["spec"]["http"][0]["timeout"] = "3s"
    changed["metadata"]["managedFields"] = [managed("kubectl-edit", {"http": []})]
    left = as_applied(rule("v1", name="old"))
    found = drift(cluster(own=[changed, left]), rule("v1"), route("v1"))
    assert told(found) == [
        "missing DestinationRule shop/reviews (shop.yaml:1)",
        "different VirtualService shop/reviews (shop.yaml:13)",
        "  spec.http[0].timeout added kubectl-edit",
        "extra DestinationRule shop/old (shop.yaml)",
    ]


def test_a_field_that_the_api_server_keeps_no_book_of_shows_by_the_hash() -> None:
    changed = as_applied(istio("DestinationRule", "reviews", {"host": "reviews"}))
    changed["spec"]["exportTo"] = ["."]
    found = drift(cluster(own=[changed]), istio("DestinationRule", "reviews", {"host": "reviews"}))
    assert told(found)[1:] == ["  spec.exportTo added"]


def test_the_cure_tells_what_was_declared_anew_from_what_was_changed_by_hand() -> None:
    before = as_applied(rule("v1"))
    by_hand = copy.deepcopy(before)
    by_hand["spec"]["host"] = "ratings"
    assert "declared anew" in drift(cluster(own=[before]), rule("v1", "v2")).deviations[0].cure
    assert "puts it right" in drift(cluster(own=[by_hand]), rule("v1")).deviations[0].cure


def test_an_object_without_the_stacks_label_is_someone_elses() -> None:
    server = cluster()
    server.answers["/apis/networking.istio.io/v1/namespaces/shop/destinationrules/reviews"] = rule("v1")
    assert "whoever made it" in drift(server, rule("v1")).deviations[0].cure


def test_an_object_of_the_stack_that_is_of_no_policy_file_is_the_samples() -> None:
    sample = rule("v1", name="helloworld-connections")
    sample["metadata"]["labels"] = {"spanmesh.io/stack": STACK}
    assert told(drift(cluster(own=[sample]))) == []


def test_a_kind_that_the_cluster_does_not_serve_is_named_in_the_cure() -> None:
    declared = {**rule("v1"), "kind": "Telemetry"}
    assert "Telemetry of networking.istio.io/v1" in drift(cluster(), declared).deviations[0].cure


def test_an_env_set_by_hand_on_istiod_and_a_crd_that_is_gone() -> None:
    by_hand = copy.deepcopy(DEPLOYMENT)
    by_hand["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "FOO", "value": "1"})
    assert told(drift(cluster(by_hand, WEBHOOK))) == [
        "missing CustomResourceDefinition sidecars.networking.istio.io (Helm release istio-base)",
        "different Deployment istio-system/istiod (Helm release istiod)",
        "  spec.template.spec.containers[discovery].env[FOO] added",
    ]


def test_what_istiod_writes_into_its_webhooks_is_no_drift_and_the_rest_of_them_is() -> None:
    patched = copy.deepcopy(WEBHOOK)
    patched["webhooks"][0] |= {"failurePolicy": "Fail", "clientConfig": {"service": {}, "caBundle": "Y2E="}}
    assert told(drift(cluster(CRD, DEPLOYMENT, patched))) == []
    patched["webhooks"].clear()
    assert told(drift(cluster(CRD, DEPLOYMENT, patched)))[1:] == ["  webhooks[rev.validation.istio.io] missing"]


def test_replicas_are_the_autoscalers_where_there_is_one() -> None:
    scaled = copy.deepcopy(DEPLOYMENT)
    scaled["spec"]["replicas"] = 3
    server = cluster(CRD, scaled, WEBHOOK)
    assert told(drift(server))[1:] == ["  spec.replicas changed"]
    server.answers[AUTOSCALERS] = [{"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "istiod"}}}]
    assert told(drift(server)) == []


def test_the_newest_revision_counts_and_a_release_without_one_is_missing() -> None:
    older = copy.deepcopy(DEPLOYMENT)
    older["spec"]["replicas"] = 2
    records = [record("istiod", DEPLOYMENT, revision=10), record("istiod", older, revision=9)]
    assert told(drift(cluster(DEPLOYMENT, records=records))) == [
        "missing Release istio-system/istio-base (Helm release istio-base)"
    ]


def test_crds_of_a_charts_folder_are_compared_though_helm_does_not_render_them() -> None:
    records = [record("istio-base", crds=[CRD]), record("istiod")]
    old = copy.deepcopy(CRD)
    old["spec"]["versions"][0]["name"] = "v1beta1"
    [found] = drift(cluster(old, records=records)).deviations
    assert (found.kind, found.state) == ("CustomResourceDefinition", "different")
    assert "kubectl apply --server-side" in found.cure


def test_crds_of_a_newer_chart_that_stayed_when_istio_went_back_are_no_drift() -> None:
    records = [record("istio-base", crds=[CRD]), record("istiod")]
    newer = copy.deepcopy(CRD)
    newer["spec"]["versions"].append({"name": "v2", "served": True})
    assert len(drift(cluster(newer, records=records)).deviations) == 1
    owned = {"meta.helm.sh/release-name": "istio-base", "meta.helm.sh/release-namespace": "istio-system"}
    newer["metadata"]["annotations"] = owned
    assert drift(cluster(newer, records=records)).deviations == ()


def test_a_record_that_is_none_makes_the_cluster_unknown() -> None:
    broken = record("istiod")
    broken["data"]["release"] = "bm9uZQ=="
    assert "sh.helm.release.v1.istiod.v1 holds no record" in drift(cluster(records=[broken])).unknown


def test_releases_of_another_stack_are_not_looked_at() -> None:
    found = drift(cluster(records=[]), releases=False)
    assert (told(found), found.compared) == ([], 0)


def test_a_cluster_that_does_not_answer_is_unknown_and_keeps_no_other_from_being_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    placed = [Placed(document, ("cluster2",)) for document in documents(rule("v1"))]
    done: list[str] = []
    with ExitStack() as stack:
        there = stack.enter_context(cluster().access("cluster2"))
        accesses = {"cluster1": access_of("cluster1", f"http://127.0.0.1:{port}"), "cluster2": there}
        silent, other = drift_of(accesses, Expected(STACK, placed), lambda each: done.append(each.cluster))
    assert "does not answer" in silent.unknown
    assert told(other) == ["missing DestinationRule shop/reviews (shop.yaml:1)"]
    assert sorted(done) == ["cluster1", "cluster2"]
