"""Clusters asked over TLS, ports of pods included: stand-ins on the loopback."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client.exceptions import ApiException

from bench.stand_in_cluster import VERSION, Authority, kubeconfig, silent, stand_ins
from health.observed import EastWestGateway, IstiodSettings, ObservedCluster, Trust, Unknown
from live.kubeconfig import ClusterAccess, read_accesses
from live.observed import observation, observe, topics
from live.observed.asked import Asked
from live.observed.topics import Topic
from live.pods.port import PodPortError
from live.sources import Sources, StackOutputsError
from topology import Mesh, load_mesh

NAMES = ("cluster1", "cluster2")
STATUS = topics(["istiods", "trust", "settings", "gateway", "remote", "readers"])


def no_outputs(stack: str) -> dict[str, object]:
    """Nothing here is another stack's."""
    raise StackOutputsError(stack)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def ports(authority: Authority) -> Iterator[dict[str, int]]:
    """Both clusters, and one at which nobody ever says anything."""
    with stand_ins(NAMES, NAMES, authority) as found, silent(1) as mute:
        yield {**found, "silent": mute[0]}


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    clusters = [
        {
            "name": name,
            "network": f"network-{name}",
            "apiServer": f"https://{name}.example.com:6443",
            "kubeconfig": {"path": "kubeconfig", "context": name},
        }
        for name in (*NAMES, "silent")
    ]
    return load_mesh({"clusters": clusters})


@pytest.fixture(scope="module")
def accesses(
    mesh: Mesh, ports: dict[str, int], authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ClusterAccess]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "kubeconfig").write_text(kubeconfig(ports, authority))
    return read_accesses(mesh, mesh.clusters, Sources(Path(folder), no_outputs))


def only(accesses: dict[str, ClusterAccess], *names: str) -> dict[str, ClusterAccess]:
    return {name: accesses[name] for name in names}


def test_what_a_cluster_holds_is_read_whole(mesh: Mesh, accesses: dict[str, ClusterAccess]) -> None:
    done: list[str] = []
    seen = observe(mesh, only(accesses, *NAMES), topics=STATUS, done=lambda each: done.append(each.name))
    assert list(seen.clusters) == list(NAMES)
    assert sorted(done) == list(NAMES)
    first = seen.clusters["cluster1"]
    assert first.kubernetes == "v1.36.0"
    assert isinstance(first.clock, float)
    assert abs(first.clock) < 2
    assert first.settings == IstiodSettings("cluster1", "network-cluster1", "mesh1", "cluster.local", 1)
    assert isinstance(first.istiods, tuple)
    [istiod] = first.istiods
    assert (istiod.pod, istiod.ready, istiod.reason, istiod.version) == ("istiod-0", True, "", VERSION)
    assert {each.name: each.status for each in istiod.remotes} == dict.fromkeys(NAMES, "synced")
    assert [each.network for each in istiod.gateways] == ["network-cluster1", "network-cluster2"]
    assert {state for each in istiod.proxies for state in each.states.values()} == {"SYNCED"}
    assert isinstance(first.gateway, EastWestGateway)
    assert (first.gateway.addresses, len(first.gateway.pods)) == (("198.51.100.1",), 2)
    assert {pod.version for pod in first.gateway.pods} == {VERSION}
    assert isinstance(first.remote, tuple)
    assert [(each.cluster, each.problem) for each in first.remote] == [("cluster2", "")]
    assert first.readers == ()
    assert isinstance(first.services, Unknown), "it was not asked for"


def test_the_chain_that_istiod_shows_leads_to_the_roots_that_it_gives_out(
    mesh: Mesh, accesses: dict[str, ClusterAccess]
) -> None:
    seen = observe(mesh, only(accesses, "cluster1"), topics=topics(["trust"])).clusters["cluster1"].trust
    assert isinstance(seen, Trust)
    assert [each.subject for each in seen.chain] == ["", "CN=CA"]
    assert seen.roots == seen.chain[1:]
    assert seen.chain[0].issuer_key_id == seen.roots[0].key_id != ""
    assert seen.bundles == {}


def test_a_silent_cluster_costs_its_own_time_limit_and_the_others_nothing(
    mesh: Mesh, accesses: dict[str, ClusterAccess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observation, "VERSION_SECONDS", (1.5, 1.5))
    order: list[ObservedCluster] = []
    seen = observe(mesh, only(accesses, "silent", *NAMES), topics=topics(["settings"]), done=order.append)
    assert list(seen.clusters) == ["silent", *NAMES]
    assert order[-1].name == "silent"
    silent_one = seen.clusters["silent"]
    assert isinstance(silent_one.kubernetes, Unknown)
    assert "does not answer" in silent_one.kubernetes.reason
    assert silent_one.settings == silent_one.clock == silent_one.kubernetes
    assert isinstance(seen.clusters["cluster1"].settings, IstiodSettings)


@pytest.mark.parametrize(
    ("error", "reason", "status"),
    [
        (ApiException(status=403, reason="Forbidden"), "forbids reading it (403 Forbidden)", 403),
        (ApiException(status=500, reason="Broken"), "answers 500 Broken", 500),
        (PodPortError("pod a/b in cluster c does not answer /"), "pod a/b in cluster c does not answer /", None),
        (KeyError("secretName"), "reading it gave what cannot be read: KeyError: 'secretName'", None),
    ],
)
def test_a_topic_that_fails_is_unknown_with_its_reason_and_the_others_are_known(
    mesh: Mesh, accesses: dict[str, ClusterAccess], error: Exception, reason: str, status: int | None
) -> None:
    def fail(asked: Asked) -> None:
        raise error

    chosen = (Topic("gateway", "reading it", fail), *topics(["settings"]))
    seen = observe(mesh, only(accesses, "cluster1"), topics=chosen).clusters["cluster1"]
    assert isinstance(seen.gateway, Unknown)
    assert reason in seen.gateway.reason
    assert seen.gateway.status == status
    assert ("docs/verification-rights.yaml" in seen.gateway.reason) == (status == 403)
    assert isinstance(seen.settings, IstiodSettings)


def test_topics_of_a_cluster_are_read_side_by_side(mesh: Mesh, accesses: dict[str, ClusterAccess]) -> None:
    both = threading.Barrier(2, timeout=30)

    def meet(asked: Asked) -> None:
        both.wait()

    chosen = (Topic("gateway", "waiting", meet), Topic("settings", "waiting", meet))
    seen = observe(mesh, only(accesses, "cluster1"), topics=chosen).clusters["cluster1"]
    assert (seen.gateway, seen.settings) == (None, None), "each saw the other begin"


def test_tokens_are_told_by_their_hash_alone(mesh: Mesh, accesses: dict[str, ClusterAccess]) -> None:
    seen = observe(mesh, only(accesses, "cluster1"), topics=topics(["remote"]))
    assert "stand-in-cluster2" not in repr(seen)
    assert base64.b64encode(b"stand-in-cluster2").decode() not in repr(seen)
