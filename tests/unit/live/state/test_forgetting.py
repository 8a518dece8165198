"""What a state keeps when a cluster that is gone is taken out of it."""

from typing import Any

from live.state.deployment import resources, secret
from live.state.forgetting import known_clusters, objects_in, without_cluster
from tests.unit.live.state.states import KEY, KUBECONFIG, MESH, STACK, URN, provider

READER = f"{URN}kubernetes:core/v1:Secret::mesh-links-cluster2-readers-cluster1-token"
REMOTE = f"{URN}kubernetes:core/v1:Secret::mesh-links-cluster1-remote-secret"


def of(cluster: str, urn: str, **rest: Any) -> dict[str, Any]:
    """An object in a cluster."""
    return {"urn": urn, "type": "kubernetes:core/v1:Secret", "provider": f"{provider(cluster)}::id", **rest}


STATE = {
    "version": 3,
    "deployment": {
        "resources": [
            {"urn": STACK, "type": "pulumi:pulumi:Stack"},
            *(
                {
                    "urn": provider(name),
                    "type": "pulumi:providers:kubernetes",
                    "inputs": {"kubeconfig": secret(KUBECONFIG)},
                }
                for name in ("cluster1", "cluster2")
            ),
            {"urn": MESH, "type": "spanmesh:index:Mesh"},
            {"urn": KEY, "type": "tls:index/privateKey:PrivateKey"},
            of("cluster2", READER),
            of(
                "cluster1",
                REMOTE,
                dependencies=[READER, KEY],
                propertyDependencies={"stringData": [READER], "metadata": None},
                deletedWith=READER,
            ),
        ],
        "pending_operations": [
            {"type": "deleting", "resource": of("cluster2", READER)},
            {"type": "updating", "resource": of("cluster1", REMOTE)},
        ],
    },
}


def test_everything_in_the_cluster_goes_with_its_provider_and_nothing_else() -> None:
    left = [each["urn"] for each in resources(without_cluster(STATE, "cluster2"))]
    assert left == [STACK, provider("cluster1"), MESH, KEY, REMOTE]
    assert objects_in(STATE, "cluster2") == [provider("cluster2"), READER]


def test_nothing_names_what_is_gone() -> None:
    made = without_cluster(STATE, "cluster2")
    (remote,) = [each for each in resources(made) if each["urn"] == REMOTE]
    assert remote["dependencies"] == [KEY]
    assert remote["propertyDependencies"] == {"stringData": [], "metadata": []}
    assert "deletedWith" not in remote
    assert [each["type"] for each in made["deployment"]["pending_operations"]] == ["updating"]


def test_the_state_says_by_which_kubeconfig_a_cluster_was_last_reached() -> None:
    clusters = known_clusters(STATE)
    assert sorted(clusters) == ["cluster1", "cluster2"]
    assert clusters["cluster2"].document == {"apiVersion": "v1", "kind": "Config"}
