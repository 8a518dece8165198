"""A mesh of three groups: a stack for trust and links, and one for each group, so that a change costs its group."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml

from cli.demo import prove
from lab import Lab
from tests.lab.kubectl import Kubectl
from tests.lab.nothing_left import nothing_left
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab
GROUPS = {"north": "cluster1", "east": "cluster2", "south": "cluster3"}
STRICT = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: sample}
spec: {mtls: {mode: STRICT}}
"""


@dataclass
class Divided:
    """The stacks of one mesh; the mesh is declared in a file that all of them name."""

    shared: LabStack
    groups: dict[str, LabStack]
    mesh: dict[str, Any]

    def write(self) -> None:
        (self.shared.project / "acme.mesh.yaml").write_text(yaml.safe_dump(self.mesh))

    def up(self) -> None:
        for stack in (self.shared, *self.groups.values(), self.shared):
            stack.up()


@pytest.fixture(scope="module")
def divided(
    three_regions: Lab, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Divided]:
    first = LabStack.make(tmp_path_factory.mktemp("divided"), environment, like="lab-three")
    mesh, sample = first.mesh, first.config.pop("spanmesh:sample")
    del first.config["spanmesh:mesh"]
    first.config["spanmesh:meshFile"] = "acme.mesh.yaml"
    first.write()
    mesh["groups"] = {group: {"stack": group} for group in GROUPS}
    mesh["policies"] = ["strict.yaml"]
    (first.project / "strict.yaml").write_text(STRICT)
    for cluster, group in zip(mesh["clusters"], GROUPS, strict=True):
        cluster["group"] = group
    groups = {
        group: replace(first, name=group, config={**first.config, "spanmesh:group": group, "spanmesh:sample": sample})
        for group in GROUPS
    }
    stacks = Divided(first, groups, mesh)
    stacks.write()
    for stack in groups.values():
        stack.write()
        assert stack.pulumi.select().returncode == 0
    with nothing_left(*groups.values(), first):
        yield stacks


def changes(stack: LabStack) -> dict[str, str]:
    """Resource name to what a preview would do to it, where that is something."""
    planned = stack.pulumi.read("preview", "--json")["steps"]
    return {step["urn"].rsplit("::", 1)[-1]: step["op"] for step in planned if step["op"] not in ("same", "read")}


def test_a_group_is_refused_while_its_clusters_have_no_trust(divided: Divided) -> None:
    ended = divided.groups["north"].attempt("up", "--yes", "--skip-preview")
    assert ended.returncode != 0
    assert "cluster cluster1: the Secret cacerts is missing" in ended.stdout


def test_three_groups_and_a_stack_of_trust_and_links_make_one_mesh(divided: Divided) -> None:
    divided.up()
    outputs = divided.shared.pulumi.outputs()["clusters"]
    assert {name: sorted(c["reads"]) for name, c in outputs.items()} == {
        name: sorted(set(GROUPS.values()) - {name}) for name in GROUPS.values()
    }
    gateways = {
        cluster: divided.groups[group].pulumi.outputs()["clusters"][cluster]["eastWest"]["addresses"]
        for group, cluster in GROUPS.items()
    }
    _, silent = prove(divided.shared.load(), gateways, 40)
    assert silent == []


def test_policy_comes_with_the_stack_of_trust_and_links_once_the_groups_are_up(divided: Divided, lab: Lab) -> None:
    for cluster in GROUPS.values():
        found = Kubectl.of(lab, cluster).get("-n", "sample", "peerauthentication/strict")
        assert found["metadata"]["labels"]["spanmesh.io/stack"] == divided.shared.name
        assert found["spec"] == {"mtls": {"mode": "STRICT"}}


def test_a_change_of_a_cluster_costs_its_group_only(divided: Divided) -> None:
    divided.mesh["clusters"][1]["eastWest"] = {"annotations": {"example.com/changed": "yes"}}
    divided.write()
    assert set(changes(divided.groups["east"])) == {"mesh-cluster2-east-west-gateway-service"}
    for stack in (divided.shared, divided.groups["north"], divided.groups["south"]):
        assert changes(stack) == {}
