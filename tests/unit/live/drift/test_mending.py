"""What an update puts right, and what it leaves to Pulumi."""

import copy
from typing import Any

import pulumi
import pytest

from live.drift import Expected, mending
from policy.provenance import applied
from policy.world import Placed
from tests.unit.live.drift.servers import (
    CRD,
    DEPLOYMENT,
    STACK,
    WEBHOOK,
    as_applied,
    cluster,
    documents,
    managed,
    path,
    record,
)
from tests.unit.live.policy.api_server import Asked, FakeApiServer
from tests.unit.live.policy.objects import route, rule

APPLY, REPLACE = "application/apply-patch+yaml", "application/json-patch+json"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes to Pulumi's log, in an update."""
    lines: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lines.append)
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    return lines


def mend(
    monkeypatch: pytest.MonkeyPatch,
    server: FakeApiServer,
    *declared: dict[str, Any],
    made: dict[str, Any] | None = None,
) -> list[Asked]:
    """The PATCHes that the cluster gets."""
    monkeypatch.setattr(mending, "made_resources", lambda stack: made or {})
    placed = [Placed(document, ("cluster1",)) for document in documents(*declared)]
    with server.access("cluster1") as access:
        mending.mend_drift({"cluster1": access}, Expected(STACK, placed))
    return [asked for asked in server.asked if asked.method != "GET"]


def test_what_is_in_step_is_not_touched(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    assert mend(monkeypatch, cluster(own=[as_applied(rule("v1"))]), rule("v1")) == []
    assert said == []


def test_an_env_set_by_hand_goes_and_an_object_of_helm_that_is_gone_is_made_as_helms(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    by_hand = copy.deepcopy(DEPLOYMENT)
    by_hand["metadata"]["resourceVersion"] = "7"
    by_hand["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "FOO", "value": "1"})
    made, replaced = mend(monkeypatch, cluster(by_hand, WEBHOOK))
    assert (made.path, made.content_type, made.query["force"]) == (path(CRD), APPLY, "true")
    assert made.body["spec"] == CRD["spec"]
    assert made.body["metadata"]["annotations"]["meta.helm.sh/release-name"] == "istio-base"
    assert (replaced.path, replaced.content_type) == (path(DEPLOYMENT), REPLACE)
    assert replaced.body == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": "/spec", "value": DEPLOYMENT["spec"]},
    ]
    assert [line.rpartition(": ")[2] for line in said] == ["put right", "put right"]


def test_a_preview_says_it_and_does_nothing(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    assert mend(monkeypatch, cluster(DEPLOYMENT, WEBHOOK)) == []
    [line] = said
    assert "CustomResourceDefinition sidecars.networking.istio.io of the Helm release istio-base is gone" in line
    assert line.endswith("the update puts it right")


def test_policy_is_applied_under_pulumis_name(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    changed = as_applied(rule("v1"))
    changed["spec"]["host"] = "ratings"
    [asked] = mend(monkeypatch, cluster(own=[changed]), rule("v1"))
    assert (asked.path, asked.content_type) == (path(rule()), APPLY)
    assert asked.query["fieldManager"] == "pulumi-kubernetes-1a"
    assert asked.body["spec"]["host"] == "reviews"
    assert "spec.host changed" in said[0]


def test_policy_that_the_stack_made_is_made_again_rules_before_routes(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    names = [f"mesh-policy-cluster1-{kind}-shop-reviews" for kind in ("virtualservice", "destinationrule")]
    made = {name: {"__fieldManager": "pulumi-kubernetes-2b"} for name in names}
    asked = mend(monkeypatch, cluster(), route("v1"), rule("v1"), made=made)
    assert [each.body["kind"] for each in asked] == ["DestinationRule", "VirtualService"]
    assert {each.query["fieldManager"] for each in asked} == {"pulumi-kubernetes-2b"}


def test_policy_that_no_update_has_made_yet_is_left_to_pulumi(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    assert mend(monkeypatch, cluster(), rule("v1")) == []
    assert said == []


def test_what_was_declared_anew_is_left_to_pulumi(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    before = rule("v1")
    assert mend(monkeypatch, cluster(own=[as_applied(before)]), rule("v1", "v2")) == []
    annotated = rule("v1")
    annotated["metadata"]["annotations"] = {"team": "mesh"}
    inputs = applied(documents(before)[0], STACK)
    made = {"mesh-policy-cluster1-destinationrule-shop-reviews": {"__inputs": inputs}}
    assert mend(monkeypatch, cluster(own=[as_applied(before)]), annotated, made=made) == []
    assert said == []


def test_policy_of_others_is_left_to_them(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    theirs = {**rule("v2"), "metadata": {**rule()["metadata"], "managedFields": [managed("kubectl", {"host": ""})]}}
    assert mend(monkeypatch, cluster(own=[theirs]), rule("v1")) == []


def test_old_crds_of_a_charts_folder_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    old = copy.deepcopy(CRD)
    old["spec"]["versions"][0]["name"] = "v1beta1"
    records = [record("istio-base", crds=[CRD]), record("istiod")]
    assert mend(monkeypatch, cluster(old, records=records)) == []


def test_what_a_cluster_refuses_is_said_and_does_not_stop_the_rest(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    server = cluster(WEBHOOK)
    server.refusals[path(CRD)] = (409, "no such thing")
    assert len(mend(monkeypatch, server)) == 2
    assert "could not be put right: 409" in said[0]
    assert "no such thing" in said[0]
    assert said[1].endswith("Deployment istiod of the Helm release istiod is gone: put right")


def test_before_the_first_update_there_is_nothing_to_put_right(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    assert mend(monkeypatch, cluster(records=[]), rule("v1")) == []
    assert said == []
