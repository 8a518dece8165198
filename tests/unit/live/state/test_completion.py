"""What of a live object a completed state holds, and what of it the next preview would therefore show."""

import json
from typing import Any

from live.state.completion import completed, import_file
from live.state.deployment import is_secret, planned, resources, revealed
from live.state.standing import Standing
from tests.unit.live.state.states import (
    CACERTS,
    DATA,
    EMPTY,
    EMPTY_COMPONENT,
    IMPORTED,
    KEY,
    KUBECONFIG,
    MESH,
    PREVIEW,
    RELEASE,
    SERVICE,
    STACK,
    URN,
    provider,
)

FOUND = {
    SERVICE: Standing("istio-system/gateway", "Service", "pulumi-kubernetes-old"),
    CACERTS: Standing("istio-system/cacerts", "Secret"),
    RELEASE: Standing("istio-system/istiod", "Release"),
}
KUBECONFIGS = {"cluster1": KUBECONFIG}


def whole(state: Any = EMPTY, found: Any = FOUND) -> dict[str, dict[str, Any]]:
    """The completed state, by URN."""
    made = completed(state, planned(PREVIEW), found, IMPORTED, KUBECONFIGS)
    return {each["urn"]: each for each in resources(made)}


def test_nothing_but_what_is_declared_counts_as_declared() -> None:
    service = whole()[SERVICE]
    assert service["inputs"]["spec"] == {
        "ports": [{"port": 15443, "name": "tls"}],
        "loadBalancerSourceRanges": [],
    }
    assert service["outputs"]["__inputs"] == service["inputs"]
    assert service["outputs"]["spec"]["clusterIP"] == "10.96.0.7"


def test_a_live_value_that_differs_from_the_declared_one_shows_in_the_next_preview() -> None:
    imported = json.loads(json.dumps(IMPORTED))
    imported["deployment"]["resources"][0]["outputs"]["spec"]["ports"][0]["port"] = 15444
    made = completed(EMPTY, planned(PREVIEW), FOUND, imported, KUBECONFIGS)
    (service,) = [each for each in resources(made) if each["urn"] == SERVICE]
    assert service["inputs"]["spec"]["ports"] == [{"port": 15444, "name": "tls"}]


def test_an_object_is_applied_on_by_the_manager_that_applied_it() -> None:
    assert whole()[SERVICE]["outputs"]["__fieldManager"] == "pulumi-kubernetes-old"


def test_secrets_stay_secrets() -> None:
    made = whole()
    assert made[CACERTS]["inputs"]["data"] == DATA
    assert made[CACERTS]["outputs"]["data"] == DATA
    assert "stringData" not in made[CACERTS]["inputs"]
    kubeconfig = made[provider("cluster1")]["inputs"]["kubeconfig"]
    assert is_secret(kubeconfig)
    assert revealed(kubeconfig) == KUBECONFIG


def test_a_release_keeps_the_values_of_its_record_and_the_chart_of_the_program() -> None:
    inputs = whole()[RELEASE]["inputs"]
    assert inputs["values"] == {"pilot": {"env": {"A": "b"}}}
    assert (inputs["chart"], inputs["timeout"]) == (".charts/istiod", 180)
    assert revealed(whole()[RELEASE]["outputs"]["__inputs"]) == inputs


def test_resources_come_after_what_they_name_and_name_nothing_that_is_not_there() -> None:
    made = whole()
    order = list(made)
    assert order.index(STACK) < order.index(provider("cluster1")) < order.index(MESH) < order.index(SERVICE)
    assert KEY not in made
    assert made[CACERTS]["dependencies"] == [SERVICE]
    assert made[CACERTS]["propertyDependencies"] == {"stringData": [], "metadata": []}
    assert made[SERVICE]["provider"] == f"{provider('cluster1')}::{made[provider('cluster1')]['id']}"


def test_a_component_that_holds_nothing_is_no_change_of_the_next_preview() -> None:
    assert EMPTY_COMPONENT in whole()


def test_what_the_state_knows_stays_as_it_is_with_its_provider() -> None:
    known = {
        "deployment": {
            "resources": [
                {"urn": STACK, "type": "pulumi:pulumi:Stack"},
                {"urn": provider("cluster1"), "type": "pulumi:providers:kubernetes", "id": "own", "inputs": {}},
                {"urn": MESH, "type": "spanmesh:index:Mesh"},
            ]
        }
    }
    made = whole(known, {SERVICE: FOUND[SERVICE]})
    assert made[provider("cluster1")]["inputs"] == {}
    assert made[SERVICE]["provider"] == f"{provider('cluster1')}::own"
    assert CACERTS not in made


def test_a_protected_root_of_which_nothing_is_declared_any_more_does_not_stop_the_next_update() -> None:
    root = {"urn": f"{URN}tls:index/privateKey:PrivateKey::old", "type": "tls:index/privateKey:PrivateKey"}
    kept = {"urn": KEY, "type": "tls:index/privateKey:PrivateKey", "protect": True}
    made = whole({"deployment": {"resources": [{**root, "protect": True}, kept]}})
    assert "protect" not in made[root["urn"]]
    assert made[KEY]["protect"]


def test_the_import_reads_each_object_by_the_provider_of_its_cluster() -> None:
    file = import_file(planned(PREVIEW), {SERVICE: FOUND[SERVICE]}, KUBECONFIGS)
    of_provider, of_service = file["resources"]
    assert revealed(of_provider["inputs"]["kubeconfig"]) == KUBECONFIG
    assert of_service == {
        "type": "kubernetes:core/v1:Service",
        "name": "mesh-cluster1-gateway",
        "id": "istio-system/gateway",
        "provider": "cluster1",
        "version": "4.25.0",
    }
