"""What is changed by hand in the clusters is told by `spanmesh drift`, and put right by `pulumi up`."""

import json
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.app import app
from lab import Lab
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab

HOST = "helloworld.sample.svc.cluster.local"
IN_STEP: dict[str, list[str]] = {"cluster1": [], "cluster2": []}
OF_ISTIOD = ("-n", "istio-system", "set", "env", "deployment/istiod")


def istio(kind: str, name: str, spec: dict[str, Any], group: str = "networking") -> dict[str, Any]:
    """An object of Istio in the sample's namespace."""
    metadata = {"name": name, "namespace": "sample"}
    return {"apiVersion": f"{group}.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def route(**weights: int) -> dict[str, Any]:
    """The spec of a VirtualService with these weights by version."""
    to = [{"destination": {"host": HOST, "subset": v}, "weight": weight} for v, weight in weights.items()]
    return {"hosts": [HOST], "http": [{"route": to}]}


RULE = istio(
    "DestinationRule",
    "drifting",
    {"host": HOST, "subsets": [{"name": v, "labels": {"version": v}} for v in ("v1", "v2")]},
)
ROUTE = istio("VirtualService", "drifting", route(v1=80, v2=20))
STRICT = istio("PeerAuthentication", "drifting", {"mtls": {"mode": "STRICT"}}, "security")


def drift(stack: LabStack, *arguments: str) -> tuple[int, dict[str, list[str]]]:
    """Exit code of the command, and by cluster a line for each object and field that is not in step."""
    command = ["drift", "--stack", stack.name, "--cwd", str(stack.project), "-o", "json", *arguments]
    patch = pytest.MonkeyPatch()
    for name, value in stack.environment.items():
        patch.setenv(name, value)
    ended = CliRunner().invoke(app, command)
    patch.undo()
    assert ended.exit_code in (0, 1), ended.stderr
    return ended.exit_code, {each["cluster"]: _lines(each["objects"]) for each in json.loads(ended.stdout)["clusters"]}


def _lines(objects: list[dict[str, Any]]) -> list[str]:
    lines = []
    for each in sorted(objects, key=lambda each: (each["kind"], each["name"])):
        lines.append(f"{each['state']} {each['kind']} {each['name']}")
        lines += [f"{field['path']} {field['change']} {field['by']}" for field in each["fields"]]
    return lines


@pytest.fixture(scope="module")
def kubectls(lab: Lab, mesh: LabStack) -> list[Kubectl]:
    """kubectl on both clusters of a mesh with policy."""
    (mesh.project / "policies").mkdir(exist_ok=True)
    (mesh.project / "policies/drifting.yaml").write_text(yaml.safe_dump_all([RULE, ROUTE, STRICT]))
    mesh.mesh["policies"] = ["policies/drifting.yaml"]
    mesh.write()
    mesh.up()
    return [Kubectl.of(lab, name) for name in IN_STEP]


def test_a_mesh_as_pulumi_and_istiod_left_it_is_in_step(mesh: LabStack, kubectls: list[Kubectl]) -> None:
    assert drift(mesh) == (0, IN_STEP)


def test_what_was_changed_by_hand_is_told_and_pulumi_up_puts_it_right(mesh: LabStack, kubectls: list[Kubectl]) -> None:
    first, second = kubectls
    edit = ("-n", "sample", "patch", "--type=merge", "--field-manager=kubectl-edit")
    changed = {"spec": route(v1=50, v2=50)}
    changed["spec"]["http"][0]["timeout"] = "3s"
    first(*edit, "virtualservice/drifting", "-p", json.dumps(changed))
    first(*edit, "peerauthentication/drifting", "-p", '{"spec": {"selector": {"matchLabels": {"app": "none"}}}}')
    first(*OF_ISTIOD, "BY_HAND=1", "PILOT_TRACE_SAMPLING=7")
    second("-n", "sample", "delete", "destinationrule/drifting", "virtualservice/drifting")
    second("delete", "clusterrole/istiod-gateway-controller-istio-system")
    second(*OF_ISTIOD, "ISTIO_MULTIROOT_MESH-")

    env = "spec.template.spec.containers[discovery].env"
    expected = {
        "cluster1": [
            "different Deployment istiod",
            f"{env}[PILOT_TRACE_SAMPLING].value changed kubectl-set",
            f"{env}[BY_HAND] added kubectl-set",
            "different PeerAuthentication drifting",
            "spec.selector added kubectl-edit",
            "different VirtualService drifting",
            "spec.http[0].route[0].weight changed kubectl-edit",
            "spec.http[0].route[1].weight changed kubectl-edit",
            "spec.http[0].timeout added kubectl-edit",
        ],
        "cluster2": [
            "missing ClusterRole istiod-gateway-controller-istio-system",
            "different Deployment istiod",
            f"{env}[ISTIO_MULTIROOT_MESH] missing None",
            "missing DestinationRule drifting",
            "missing VirtualService drifting",
        ],
    }
    assert drift(mesh) == (1, expected)
    preview = mesh.attempt("preview")
    assert preview.returncode == 0, preview.stdout
    assert (
        "cluster1: PeerAuthentication sample/drifting drifted (spec.selector added by kubectl-edit)" in preview.stdout
    )
    assert drift(mesh) == (1, expected)

    assert "could not be put right" not in mesh.up()
    assert drift(mesh) == (0, IN_STEP)


def test_what_is_declared_anew_after_a_change_by_hand_is_no_conflict(mesh: LabStack, kubectls: list[Kubectl]) -> None:
    changed = {**ROUTE, "spec": route(v1=60, v2=40)}
    (mesh.project / "policies/drifting.yaml").write_text(yaml.safe_dump_all([RULE, changed, STRICT]))
    code, told = drift(mesh, "--cluster", "cluster1")
    assert (code, told["cluster1"][0]) == (1, "different VirtualService drifting")
    kubectls[0]("-n", "sample", "annotate", "virtualservice/drifting", "note=mine", "spanmesh.io/file=x", "--overwrite")
    mesh.up()
    assert drift(mesh) == (0, IN_STEP)


def test_policy_with_the_stacks_label_that_is_not_declared_is_extra(mesh: LabStack, kubectls: list[Kubectl]) -> None:
    copied = kubectls[1].get("-n", "sample", "destinationrule/drifting")
    copied["metadata"] = {"name": "copied", "namespace": "sample", "labels": copied["metadata"]["labels"]}
    copied["spec"]["host"] = "elsewhere.sample.svc.cluster.local"
    kubectls[1].apply(copied)
    assert drift(mesh) == (1, {"cluster1": [], "cluster2": ["extra DestinationRule copied"]})
    kubectls[1]("-n", "sample", "delete", "destinationrule/copied")
    assert eventually(lambda: drift(mesh) == (0, IN_STEP))
