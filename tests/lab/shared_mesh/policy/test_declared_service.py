"""A Service that runs in the other cluster only is reached by its name, once it is declared."""

from collections.abc import Iterator

import pytest

from tests.lab.kubectl import eventually, service, web_server
from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored

pytestmark = pytest.mark.lab
URL = "http://greeter.sample/"
DECLARED = {"service": "greeter.sample", "ports": [{"name": "http", "port": 80}], "servedBy": ["cluster2"]}


@pytest.fixture(scope="module")
def greeter(mirrored: Mirrored) -> Iterator[Mirrored]:
    """The mesh without policy, and a server in cluster2 that cluster1 knows nothing of."""
    mirrored.declare()
    mirrored.stack.up()
    kubectl = mirrored.kubectl("cluster2")
    for each in (web_server("greeter", "greetings"), service("greeter", "greeter")):
        kubectl.apply({**each, "metadata": {**each["metadata"], "namespace": NAMESPACE}})
    kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/greeter", "--timeout=90s")
    yield mirrored
    kubectl("-n", NAMESPACE, "delete", "pod,service", "greeter", "--now")


def answered(mirrored: Mirrored, cluster: str, number: int) -> int:
    result = mirrored.ask(number, url=URL)[cluster]
    return sum(answer.status == 200 and answer.text == "greetings" for answer in result.each)


def test_a_service_of_the_other_cluster_is_reached_by_name_once_it_is_declared(greeter: Mirrored) -> None:
    assert answered(greeter, "cluster2", 20) == 20
    before = greeter.ask(5, url=URL)["cluster1"]
    assert all("Could not resolve host" in failure for failure in before.failures)
    assert len(before.failures) == 5
    greeter.declare(services=[DECLARED])
    greeter.stack.up()
    assert eventually(lambda: answered(greeter, "cluster1", 5) == 5)
    assert answered(greeter, "cluster1", 200) == 200
    assert answered(greeter, "cluster2", 200) == 200


def test_it_goes_where_it_is_no_longer_declared_and_stays_where_it_runs(greeter: Mirrored) -> None:
    greeter.declare()
    greeter.stack.up()
    assert not greeter.holds("cluster1", "service", "greeter")
    assert greeter.holds("cluster2", "service", "greeter")
