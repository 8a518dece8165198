"""Clusters that are not as they should be: a clear message with the cure, before anything is touched."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from live.client import api_client
from tests.lab.istioctl import Istioctl
from tests.lab.nothing_left import nothing_left
from tests.lab.spanmesh import spanmesh
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab


def other_kubeconfig(stack: LabStack, change: Callable[[dict[str, Any]], None]) -> str:
    """The text of cluster1's kubeconfig after a change."""
    document = yaml.safe_load(stack.accesses["cluster1"].text)
    change(document)
    return yaml.safe_dump(document)


def unreachable(document: dict[str, Any]) -> None:
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"


def expired(document: dict[str, Any]) -> None:
    document["users"][0]["user"] = {"token": "expired"}


def other_authority(document: dict[str, Any]) -> None:
    cluster = document["clusters"][0]["cluster"]
    cluster.pop("certificate-authority-data")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (unreachable, ["https://127.0.0.1:1 does not answer", "Connection refused", "Check that the cluster runs"]),
        (expired, ["401 Unauthorized", "Fetch the kubeconfig anew"]),
        (other_authority, ["does not fit the kubeconfig", "Fetch the kubeconfig anew"]),
    ],
    ids=["unreachable", "expired credentials", "certificate of another authority"],
)
def test_an_unusable_kubeconfig_stops_an_up_before_anything_is_touched(
    empty: LabStack, change: Callable[[dict[str, Any]], None], says: list[str]
) -> None:
    empty.mesh["clusters"][0]["kubeconfig"] = {"env": "OTHER_KUBECONFIG"}
    empty.environment["OTHER_KUBECONFIG"] = other_kubeconfig(empty, change)
    empty.write()
    ended = empty.attempt("up", "--yes", "--skip-preview")
    assert ended.returncode != 0
    for text in ["spanmesh:mesh.clusters[0].kubeconfig: cluster cluster1", *says]:
        assert text in ended.stdout
    assert "Traceback" not in ended.stdout
    assert resources(empty) == ["pulumi:pulumi:Stack"]


def test_a_preview_needs_no_cluster(empty: LabStack) -> None:
    empty.mesh["clusters"][0]["kubeconfig"] = {"env": "OTHER_KUBECONFIG"}
    empty.environment["OTHER_KUBECONFIG"] = other_kubeconfig(empty, unreachable)
    empty.write()
    ended = empty.attempt("preview")
    assert ended.returncode == 0, ended.stdout
    assert "warning: spanmesh:mesh.clusters[0].kubeconfig: cluster cluster1" in ended.stdout


def test_one_cluster_given_twice_is_refused(empty: LabStack) -> None:
    empty.mesh["clusters"][1]["kubeconfig"] = {"context": "cluster1"}
    empty.write()
    ended = empty.attempt("preview")
    assert ended.returncode != 0
    assert "spanmesh:mesh.clusters[1].kubeconfig: it opens the same cluster as cluster1's" in ended.stdout


def test_two_clusters_of_one_network_whose_pods_share_addresses_are_refused(empty: LabStack) -> None:
    empty.mesh["clusters"][1]["network"] = "network1"
    empty.write()
    ended = empty.attempt("preview")
    assert ended.returncode != 0
    assert "spanmesh:mesh.clusters[1].network: cluster1 and cluster2 are both on network1" in ended.stdout
    assert "10.244." in ended.stdout


def test_a_region_that_the_nodes_do_not_have_is_warned_of(empty: LabStack) -> None:
    empty.mesh["clusters"][1]["region"] = "cn-noth-4"
    empty.write()
    ended = empty.attempt("preview")
    assert ended.returncode == 0, ended.stdout
    assert "warning: spanmesh:mesh.clusters[1].region: cn-noth-4 is declared" in ended.stdout
    assert "labelled cn-east-3" in ended.stdout


def test_a_wrong_passphrase_is_named(empty: LabStack) -> None:
    empty.environment["PULUMI_CONFIG_PASSPHRASE"] = "wrong"  # noqa: S105
    ended = empty.attempt("preview")
    assert ended.returncode != 0
    assert "incorrect passphrase" in ended.stdout


LEFT_BEHIND = """\
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  profile: minimal
  hub: localhost/istio
  tag: 1.32-dev
  values:
    global: {imagePullPolicy: IfNotPresent}
    telemetry: {enabled: false}
    pilot: {autoscaleEnabled: false, resources: {requests: {cpu: 50m, memory: 128Mi}}}
"""


def test_an_istio_of_another_installer_is_refused_and_can_be_taken_over(
    empty: LabStack, istioctl: Istioctl, tmp_path: Path
) -> None:
    only(empty, "cluster2")
    declared = tmp_path / "left-behind.yaml"
    declared.write_text(LEFT_BEHIND)
    istioctl.run("cluster2", "install", "-y", "-f", str(declared))
    with nothing_left(empty):
        ended = empty.attempt("preview")
        assert ended.returncode != 0
        assert "spanmesh:mesh.clusters[0]: cluster cluster2: Istio objects of another installer" in ended.stdout
        assert "spanmesh adopt" in ended.stdout
        declined = spanmesh(empty, "adopt")
        assert declined.returncode != 0
        shown = re.findall(r"cluster2 .* (Deployment|MutatingWebhookConfiguration|ServiceAccount) ", declined.stdout)
        assert {"Deployment", "MutatingWebhookConfiguration", "ServiceAccount"} == set(shown)
        assert owner_of_istiod(empty) is None
        taken = spanmesh(empty, "adopt", "--yes")
        assert taken.returncode == 0, taken.stderr
        assert "istioctl tag remove default" in taken.stderr
        empty.up()
        assert owner_of_istiod(empty) == "istiod"


def test_crds_of_a_destroyed_mesh_of_1_22_are_told_from_an_installed_istio_and_taken_over(empty: LabStack) -> None:
    only(empty, "cluster2")
    current = empty.mesh["istio"]["version"]
    with nothing_left(empty):
        empty.mesh["istio"]["version"] = "1.22.3"
        empty.write()
        empty.up()
        empty.destroy()
        empty.mesh["istio"]["version"] = current
        empty.write()
        ended = empty.attempt("preview")
        assert ended.returncode != 0
        assert "cluster cluster2: CRDs left by another installer, or by a mesh of Istio before 1.24" in ended.stdout
        taken = spanmesh(empty, "adopt", "--yes")
        assert taken.returncode == 0, taken.stderr
        empty.up()


def only(stack: LabStack, name: str) -> None:
    """Declare one cluster alone, and no sample."""
    stack.mesh["clusters"] = [each for each in stack.mesh["clusters"] if each["name"] == name]
    stack.config.pop("spanmesh:sample")
    stack.write()


def owner_of_istiod(stack: LabStack) -> str | None:
    """The Helm release that cluster2's istiod belongs to."""
    with api_client(stack.accesses["cluster2"]) as api:
        deployment = client.AppsV1Api(api).read_namespaced_deployment("istiod", "istio-system")
    return (deployment.metadata.annotations or {}).get("meta.helm.sh/release-name")


def test_an_istiod_that_cannot_start_is_explained_by_pod_and_reason_and_cured_by_the_next_up(
    empty: LabStack,
) -> None:
    good = empty.mesh["istio"]["hub"]
    empty.mesh["istio"].update(hub="localhost/nowhere", timeoutSeconds=25)
    only(empty, "cluster1")
    ended = empty.attempt("up", "--yes", "--skip-preview")
    assert ended.returncode != 0
    assert "cluster cluster1: mesh-cluster1-control-plane-istiod: pod istio-system/istiod-" in ended.stdout
    assert "localhost/nowhere/pilot" in ended.stdout
    assert "ImagePullBackOff" in ended.stdout or "ErrImagePull" in ended.stdout
    empty.mesh["istio"].update(hub=good, timeoutSeconds=180)
    empty.write()
    with nothing_left(empty):
        empty.up()


def resources(stack: LabStack) -> list[str]:
    """Types of what stands in the state, but for the engine's own provider, by which the program reads the state."""
    state = yaml.safe_load(stack.attempt("stack", "export").stdout)
    return [r["type"] for r in state["deployment"].get("resources") or [] if r["type"] != "pulumi:providers:pulumi"]
