"""Which pods of a cluster are asked what they trust, and what is said of those that do not answer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from health.observed import Certificate, ProxyTrust, Unknown
from health.trust_change import HeldTrust, IstiodSigning
from live.kubeconfig import ClusterAccess
from live.pods.port import PodPortError
from live.reachability import UnreachableError
from live.trust import held
from live.trust.held import read_all_held, read_held
from tests.unit.health.facts import certificate

ACCESS = ClusterAccess("cluster1", {})
ROOT = certificate("root", "root")
CA = certificate("ca", "root")
OWN = certificate("own", "ca", 1)
RUNNING: Mapping[str, Any] = {"running": {}}
AGENT = [{"name": "PROXY_CONFIG_XDS_AGENT", "value": "true"}]


def pod(name: str, state: Mapping[str, Any] = RUNNING, *, native: bool = False, agent: bool = True) -> dict[str, Any]:
    """A pod with a proxy beside its application, or as a native sidecar."""
    proxy = {"name": "istio-proxy", "env": AGENT if agent else []}
    status = {"name": "istio-proxy", "state": state}
    kinds = ("initContainers", "initContainerStatuses") if native else ("containers", "containerStatuses")
    return {
        "metadata": {"name": name, "namespace": "sample"},
        "spec": {"containers": [{"name": "app"}], kinds[0]: [proxy]},
        "status": {kinds[1]: [status]},
    }


class Cluster:
    """A cluster of these pods; those of ``answers`` say what they hold.

    Attributes:
        pods: by name; a pod can go while it is asked.
        answers: what a pod says, or how it fails.
        istiods: by pod, the chain that it shows.
    """

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = {each["metadata"]["name"]: each for each in pods}
        self.answers: dict[str, ProxyTrust | Exception] = {}
        self.istiods: dict[str, tuple[Certificate, ...] | Exception] = {"istiod-1": (OWN, CA, ROOT)}

    def list(self, *_: object) -> Iterator[dict[str, Any]]:
        yield from list(self.pods.values())

    def get(self, path: str) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        if name not in self.pods:
            raise UnreachableError("cluster1", "not found", "", 404)
        return self.pods[name]

    @contextmanager
    def port(self, _: object, name: str, *__: object) -> Iterator[str]:
        said = self.answers.get(name)
        if isinstance(said, Exception):
            raise said
        yield name

    def chain(self, _: object, name: str) -> tuple[Certificate, ...]:
        said = self.istiods[name]
        if isinstance(said, Exception):
            raise said
        return said


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """An empty cluster that answers."""
    made = Cluster()

    @contextmanager
    def connected(*_: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(held, "api_client", connected)
    monkeypatch.setattr(held, "Api", lambda _: made)
    monkeypatch.setattr(held, "pod_http", made.port)
    monkeypatch.setattr(held, "served_chain", made.chain)
    monkeypatch.setattr(held, "_running_istiods", lambda _: list(made.istiods))
    monkeypatch.setattr(held, "trust", lambda name, proxy: ProxyTrust(proxy, (ROOT,), (OWN, CA, ROOT)))
    return made


def test_sidecars_native_ones_and_gateways_are_asked_and_pods_without_a_running_proxy_are_not(cluster: Cluster) -> None:
    without: dict[str, Any] = {
        "metadata": {"name": "plain", "namespace": "sample"},
        "spec": {"containers": [{"name": "app"}]},
    }
    for each in (pod("a"), pod("b", native=True), pod("ended", {"terminated": {}}), without):
        cluster.pods[each["metadata"]["name"]] = each
    found = read_held(ACCESS)
    assert [each.proxy for each in found.proxies] == ["a.sample", "b.sample"]
    assert found.silent == {}
    assert found.istiods == (IstiodSigning("istiod-1", ROOT.fingerprint, CA.fingerprint),)


def test_who_was_started_without_the_agent_that_takes_roots_is_named_unless_it_ends_anyway(cluster: Cluster) -> None:
    ending = pod("c", agent=False)
    ending["metadata"]["deletionTimestamp"] = "2026-11-23T16:00:00Z"
    cluster.pods = {"a": pod("a"), "b": pod("b", agent=False), "c": ending}
    found = read_held(ACCESS)
    assert found.fixed == {"b.sample"}
    assert "c.sample" in {each.proxy for each in found.proxies}, "it is counted until it has ended"


def test_a_silent_proxy_is_named_with_the_reason_and_one_that_has_ended_meanwhile_is_not(cluster: Cluster) -> None:
    cluster.pods = {"a": pod("a"), "mute": pod("mute"), "gone": pod("gone")}
    cluster.answers = {"mute": PodPortError("timed out"), "gone": PodPortError("not found", 404)}
    found = read_held(ACCESS)
    assert found.silent == {"mute.sample": "timed out"}
    assert [each.proxy for each in found.proxies] == ["a.sample"]


def test_a_proxy_that_ends_while_it_is_asked_is_not_waited_for(cluster: Cluster) -> None:
    class EndsError(PodPortError):
        def __init__(self) -> None:
            super().__init__("connection lost")
            cluster.pods["a"]["status"]["containerStatuses"][0]["state"] = {"terminated": {}}

    cluster.pods = {"a": pod("a")}
    cluster.answers = {"a": PodPortError("connection lost")}
    assert read_held(ACCESS).silent == {"a.sample": "connection lost"}, "as long as it runs it counts"
    cluster.answers = {"a": EndsError()}
    cluster.list = lambda *_: iter([pod("a")])  # type: ignore[method-assign]
    assert read_held(ACCESS).silent == {}


def test_an_istiod_that_shows_nothing_or_an_unknown_root_cannot_be_told(cluster: Cluster) -> None:
    cluster.pods = {"a": pod("a")}
    cluster.istiods = {"istiod-1": PodPortError("does not speak TLS")}
    assert read_held(ACCESS).istiods == Unknown("does not speak TLS")
    cluster.istiods = {"istiod-1": (certificate("own", "other"), certificate("other", "elsewhere"))}
    found = read_held(ACCESS).istiods
    assert isinstance(found, Unknown)
    assert "root that is not known" in found.reason


def test_an_istiod_that_signs_by_a_root_of_its_own_shows_one_certificate_and_its_root_is_known_from_the_proxies(
    cluster: Cluster,
) -> None:
    cluster.pods = {"a": pod("a")}
    cluster.istiods = {"istiod-1": (certificate("istiod", "root"),)}
    assert read_held(ACCESS).istiods == (IstiodSigning("istiod-1", ROOT.fingerprint, ROOT.fingerprint),)
    cluster.istiods = {"istiod-1": (certificate("istiod", "other"),)}
    assert isinstance(read_held(ACCESS).istiods, Unknown)


def test_the_cas_of_all_proxies_are_kept_once(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(_: object, proxy: str) -> ProxyTrust:
        return ProxyTrust(proxy, (certificate("root", "root"),), (certificate(proxy, "ca"), certificate("ca", "root")))

    monkeypatch.setattr(held, "trust", told)
    cluster.pods = {name: pod(name) for name in ("a", "b", "c")}
    found = read_held(ACCESS).proxies
    assert len({id(each.roots[0]) for each in found}) == 1
    assert len({id(each.chain[1]) for each in found}) == 1


def test_a_cluster_that_does_not_answer_is_unknown_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(access: ClusterAccess) -> HeldTrust:
        if access.name == "cluster2":
            raise UnreachableError("cluster2", "no answer", "Check it")
        return HeldTrust((), (), {})

    monkeypatch.setattr(held, "read_held", read)
    found = read_all_held({name: ClusterAccess(name, {}) for name in ("cluster1", "cluster2")})
    assert found == {"cluster1": HeldTrust((), (), {}), "cluster2": Unknown("no answer. Check it")}
