"""What `spanmesh explain` takes, and what it ends with."""

import pytest

from cli.explain import as_json, exit_code, started, target_of
from health.checks.request import NO_SNI
from health.walk.step import Step, Walk, broken, fine, untold
from live.walk.walking import Client
from topology import MeshConfigError


def test_a_client_is_a_cluster_a_namespace_and_what_names_the_pod() -> None:
    assert started("cluster1/sample/deploy/sleep", ["cluster1"]) == Client("cluster1", "sample", "deploy/sleep")
    with pytest.raises(MeshConfigError, match="Give CLUSTER/NAMESPACE/POD"):
        started("cluster1/sleep", ["cluster1"])
    with pytest.raises(MeshConfigError, match="Did you mean cluster1"):
        started("cluster/sample/sleep", ["cluster1"])


def test_a_target_is_a_host_and_a_port() -> None:
    asked = target_of("helloworld.sample:5000", "hello?x=1", "get", ["x-user=jane=doe", "X-Mode: test"])
    assert (asked.url, asked.method) == ("http://helloworld.sample:5000/hello?x=1", "GET")
    assert asked.headers == {"x-user": "jane=doe", "x-mode": "test"}
    assert target_of("[fd00::1]:80", "/", "GET", []).url == "http://[fd00::1]:80/"


@pytest.mark.parametrize("target", ["helloworld", "helloworld:http", "helloworld:0", "helloworld:70000", "a/b:80"])
def test_another_form_is_refused(target: str) -> None:
    with pytest.raises(MeshConfigError, match="is no host and port"):
        target_of(target, "/", "GET", [])


@pytest.mark.parametrize("header", ["x-user", "=jane", "x user=jane"])
def test_a_header_that_is_none_is_refused_without_being_quoted(header: str) -> None:
    with pytest.raises(MeshConfigError, match="it is not name=value") as error:
        target_of("helloworld:80", "/", "GET", [header])
    assert "jane" not in str(error.value).replace("x-user=jane", "")


def walked(*steps: Step) -> Walk:
    return Walk("cluster1/sample/sleep-1", "GET http://helloworld:5000/", steps)


def test_the_first_broken_hop_decides_before_what_cannot_be_told() -> None:
    tree = fine("route", "cluster1", "two ways").then(
        untold("gateway", "cluster3", "forbidden"), broken("gateway", "cluster2", NO_SNI, "no filter chain")
    )
    assert exit_code(walked(tree)) == 1
    said = as_json(walked(tree))
    assert (said["state"], said["broken"]["code"], said["broken"]["cluster"]) == ("broken", "SM719", "cluster2")
    assert said["steps"][0]["steps"][0] == {
        "step": "gateway",
        "cluster": "cluster3",
        "state": "skipped",
        "message": "forbidden",
        "details": [],
        "declaredBy": [],
        "code": None,
        "cause": None,
        "cure": None,
        "steps": [],
    }


def test_what_cannot_be_told_is_not_fine() -> None:
    assert exit_code(walked(fine("client", "cluster1", "x"), untold("gateway", "cluster2", "forbidden"))) == 2
    assert exit_code(walked(fine("client", "cluster1", "x"))) == 0


def test_headers_of_a_request_are_not_printed() -> None:
    asked = target_of("helloworld:80", "/", "GET", ["authorization=Bearer abc"])
    assert "abc" not in repr(asked)
