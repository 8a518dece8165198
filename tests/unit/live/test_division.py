"""Which clusters of a divided mesh are up, as the stacks of their groups say."""

from collections.abc import Mapping
from typing import Any

import pytest

from live.division import clusters_up
from live.sources import StackOutputsError
from topology import Mesh, MeshConfigError, load_mesh, members

ADDRESSED = {"eastWest": {"addresses": ["203.0.113.1"]}}


@pytest.fixture
def mesh() -> Mesh:
    groups = {"cluster1": "cn", "cluster2": "cn", "cluster3": "eu"}
    return load_mesh(
        {
            "groups": {"cn": {"stack": "acme-cn"}, "eu": {"stack": "acme-eu"}},
            "clusters": [
                {"name": name, "group": group, "network": name, "apiServer": f"https://{name}.example.com"}
                for name, group in groups.items()
            ],
        }
    )


def outputs_of(known: Mapping[str, Mapping[str, Any]]) -> Any:
    def read(name: str) -> Mapping[str, Any]:
        if name not in known:
            raise StackOutputsError(f'unknown stack "{name}"')
        return known[name]

    return read


def test_a_cluster_is_up_once_its_gateway_has_an_address(mesh: Mesh) -> None:
    cn = {"clusters": {"cluster1": ADDRESSED, "cluster2": {"eastWest": {"addresses": []}}}}
    assert clusters_up(mesh, outputs_of({"acme-cn": cn})) == {"cluster1"}
    assert clusters_up(mesh, outputs_of({})) == set()
    assert clusters_up(mesh, outputs_of({"acme-cn": {}, "acme-eu": {"clusters": {"cluster3": ADDRESSED}}})) == {
        "cluster3"
    }


def test_a_cluster_that_the_mesh_has_no_more_is_not_up(mesh: Mesh) -> None:
    assert clusters_up(mesh, outputs_of({"acme-cn": {"clusters": {"cluster9": ADDRESSED}}})) == set()


def test_a_stack_that_cannot_be_read_is_never_taken_for_one_without_clusters(mesh: Mesh) -> None:
    def broken(name: str) -> Mapping[str, Any]:
        raise StackOutputsError("the backend does not answer")

    with pytest.raises(MeshConfigError, match=r"groups\.cn\.stack: its outputs .* does not answer"):
        clusters_up(mesh, broken)


def test_a_stack_has_to_do_with_the_clusters_of_its_group(mesh: Mesh) -> None:
    assert [c.name for c in members(mesh, "cn")] == ["cluster1", "cluster2"]
    assert [c.name for c in members(mesh, None)] == ["cluster1", "cluster2", "cluster3"]
    with pytest.raises(MeshConfigError, match=r"spanmesh:group: the mesh has no group us. .*cn, eu"):
        members(mesh, "us")
