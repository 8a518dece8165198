"""`pulumi destroy` takes everything of the mesh back, and another `pulumi up` works: with the article's Istio."""

from typing import Any

import pytest

from cli.demo import silent_cells
from cli.drift import expected
from cli.explain import as_json, started, target_of
from live.load.traffic import traffic_matrix
from live.verification import verify
from live.walk.walking import walk
from tests.lab.istioctl import Istioctl
from tests.lab.left_overs import left_in
from tests.lab.shared_mesh.mirrored import Mirrored
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab

THEIRS = "payments"
PARTNER = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "ServiceEntry",
    "metadata": {"name": "partner", "namespace": THEIRS},
    "spec": {"hosts": ["partner.example.com"], "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}]},
}


def theirs(mirrored: Mirrored) -> list[dict[str, Any]]:
    """What users have made in cluster1, as it stands."""
    kubectl = mirrored.kubectl("cluster1")
    return [kubectl.get("namespace", THEIRS), kubectl.get("-n", THEIRS, "serviceentry", "partner")]


def test_destroy_leaves_nothing_of_the_mesh_and_what_users_have_made_as_it_was(mirrored: Mirrored) -> None:
    mesh, kubectl = mirrored.stack, mirrored.kubectl("cluster1")
    assert left_in(mesh.accesses["cluster1"])["namespaces"] == ["istio-system", "sample"]
    metadata = {"name": THEIRS, "labels": {"istio-injection": "enabled"}}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, PARTNER)
    before = theirs(mirrored)
    mesh.destroy()
    after, left = theirs(mirrored), {name: left_in(access) for name, access in mesh.accesses.items()}
    kubectl("delete", "namespace", THEIRS)
    assert after == before
    nothing: dict[str, list[str]] = {kind: [] for kind in left["cluster2"]}
    assert left == {"cluster1": {**nothing, "custom objects": ["partner"]}, "cluster2": nothing}


def test_a_second_up_works_and_so_does_the_articles_istio_by_one_value(
    mirrored: Mirrored, istioctl_1_22: Istioctl
) -> None:
    mesh = mirrored.stack
    mesh.mesh["istio"]["version"] = "1.22.3"
    mirrored.declare()
    mesh.up()
    outputs = mesh.pulumi.outputs()["clusters"]
    assert {c["istioVersion"] for c in outputs.values()} == {"1.22.3"}
    gateways = {name: c["eastWest"]["addresses"] for name, c in outputs.items()}
    rows = traffic_matrix(mesh.accesses, "sample", gateways, 20)
    assert silent_cells(mesh.load().mesh, rows) == []
    assert all(hop.gateway for hop in rows["cluster1"].cells["cluster2"].hops)
    for cluster in ("cluster1", "cluster2"):
        assert set(istioctl_1_22.remote_clusters(cluster).values()) == {"synced"}
        assert set().union(*istioctl_1_22.proxy_status(cluster).values()) == {"SYNCED"}
    assert mesh.attempt("preview", "--expect-no-changes").returncode == 0


def test_the_articles_istio_is_verified_and_one_of_its_requests_followed(mesh: LabStack) -> None:
    stack = mesh.load()
    found = verify(stack.mesh, stack.accesses, expected=expected(stack))
    assert [result for result in found.results if result.cause] == []
    assert (found.untold, found.left) == ([], "")
    start = started("cluster1/sample/deploy/sleep", list(stack.accesses))
    target = target_of("helloworld.sample:5000", "/hello", "GET", [])
    told = as_json(walk(stack.mesh, stack.accesses, start, target, send=True, told=lambda _: None))
    assert (told["state"], told["broken"]) == ("ok", None)
