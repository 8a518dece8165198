"""What is wrong with gateways, proxies, Services, pods and policy is named by its code and place, and gone once undone.

The faults that do not touch each other are made together and seen by one look.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml

from cli.drift import expected
from health.check import Result, State
from health.checks import CHECKS, endpoints, gateway_ports
from health.examination import examine
from health.observed import Observed, Unknown
from live.observed import observe, second_look
from live.probe import Probe
from tests.authority import root
from tests.lab.kubectl import Kubectl, eventually, service, web_server
from tests.lab.shared_mesh.mirrored import HOST, NAMESPACE, Mirrored, destination_rule

pytestmark = pytest.mark.lab

SYSTEM = ("-n", "istio-system")
GATEWAY = "service/istio-eastwestgateway"
NETWORK = "topology.istio.io/network"
# What these tests make wrong; the rest is another file's.
OWN = ("SM64", "SM66", "SM67", "SM68")
SEEN_ALONE = [each for each in CHECKS if not each.check.probe]
ONE_WAY = "cluster1 -> cluster2"
SHARED = "diagnosed"
Findings = dict[tuple[str, str], str]
"""What is wrong, by code and place; what could not be told, by check and place."""
# The sample's own.
RULE = ("-n", NAMESPACE, "patch", "destinationrule/helloworld-connections", "--type=merge")


@dataclass(frozen=True)
class Patient:
    """The mesh, and what is seen of it."""

    mirrored: Mirrored

    def observed(self) -> Observed:
        """All that is to be known without a probe."""
        stack = self.mirrored.stack.load()
        return second_look(observe(stack.mesh, stack.accesses), stack.accesses, expected(stack))

    def findings(self) -> Findings:
        """What is wrong now."""
        return self.of(examine(self.observed(), SEEN_ALONE))

    @staticmethod
    def of(results: Iterator[Result]) -> Findings:
        """What results say is wrong."""
        found = {}
        for each in results:
            if each.cause and each.cause.code.startswith(OWN):
                found[each.cause.code, each.where] = each.message
            elif each.state is State.SKIPPED and not each.because:
                found[each.check.name, each.where] = each.message
        return found

    def finds(self, *wanted: tuple[str, str]) -> Callable[[], bool]:
        """Whether just this is wrong."""
        return lambda: set(self.findings()) == set(wanted)

    def kubectl(self, cluster: str) -> Kubectl:
        """kubectl on one cluster."""
        return self.mirrored.kubectl(cluster)

    @contextmanager
    def patched(self, cluster: str, name: str, spec: dict[str, Any]) -> Iterator[None]:
        """An object of istio-system with other values in its spec, for a while."""
        kubectl = self.kubectl(cluster)
        before = kubectl.get(*SYSTEM, name)["spec"]
        # A key that is added to a mapping does not go by putting the others back.
        undone = {
            key: {**dict.fromkeys(value), **before.get(key, {})} if isinstance(value, dict) else before.get(key)
            for key, value in spec.items()
        }
        try:
            kubectl(*SYSTEM, "patch", name, "--type=merge", "-p", json.dumps({"spec": spec}))
            yield
        finally:
            kubectl(*SYSTEM, "patch", name, "--type=merge", "-p", json.dumps({"spec": undone}))


@pytest.fixture(scope="module")
def patient(mirrored: Mirrored) -> Patient:
    """The shared mesh, seen to be healthy: nothing is wrong, and nothing could not be told."""
    patient = Patient(mirrored)
    # After a root that was changed by hand, a gateway may be without istiod for as long (SM664).
    assert eventually(patient.finds(), 150), patient.findings()
    return patient


def made(kind: str, name: str, spec: dict[str, Any], version: str = "v1", namespace: str = SHARED) -> dict[str, Any]:
    """An object of Istio's networking API."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"networking.istio.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def refused_filter() -> dict[str, Any]:
    """An EnvoyFilter that istiod takes and Envoy does not: a filter of a type that it does not have."""
    config = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "x"}
    chain = {"filter": {"name": "envoy.filters.network.http_connection_manager"}}
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "SIDECAR_OUTBOUND", "listener": {"filterChain": chain}},
        "patch": {"operation": "INSERT_BEFORE", "value": {"name": "not-known", "typed_config": config}},
    }
    spec = {"workloadSelector": {"labels": {"app": "sleep"}}, "configPatches": [patch]}
    return made("EnvoyFilter", "refused", spec, "v1alpha3", NAMESPACE)


def named(name: str, port: str = "http", number: int = 80, **spec: Any) -> dict[str, Any]:
    """A Service of the namespace that both clusters have."""
    ports = [{"name": port, "port": number, "targetPort": 8080}]
    found = service(name, name, ports=ports, **spec)
    found["metadata"]["namespace"] = SHARED
    return found


def make_faults(first: Kubectl, second: Kubectl) -> None:
    """One of each, that does not touch the others."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHARED}}
    injected = {"istio-injection": "enabled"}
    bare = web_server("bare", "hello")
    bare["metadata"]["namespace"] = SHARED
    # The pod is older than the label of its namespace, as it mostly goes.
    second.apply(space, bare)
    for kubectl in (first, second):
        kubectl.apply({**space, "metadata": {"name": SHARED, "labels": injected}})
        kubectl.apply(named("bare"))
    first.apply(named("names"), named("numbers"), named("kinds"))
    second.apply(named("names", "web"), named("numbers", number=81), named("kinds", clusterIP="None"), named("lonely"))
    slow = {"hosts": ["names"], "http": [{"timeout": "1s", "route": [{"destination": {"host": "names"}}]}]}
    first.apply(made("VirtualService", "slow", slow), refused_filter())
    second(*RULE, "-p", json.dumps({"spec": {"trafficPolicy": {"tls": {"mode": "SIMPLE"}}}}))
    second("-n", SHARED, "wait", "--for=condition=Ready", "pod/bare", "--timeout=60s")


FAULTS = {
    ("SM661", "cluster1"): "proxy sleep-.*.sample rejected LDS: .*Didn't find a registered implementation",
    ("SM671", "cluster2"): "diagnosed/bare: 1 ready pod without sidecar; not reached from cluster1",
    ("SM672", ONE_WAY): "diagnosed/names: port 80 is called http in cluster1, web in cluster2",
    ("SM673", ONE_WAY): "diagnosed/numbers: port http is 80 in cluster1, 81 in cluster2",
    ("SM674", ONE_WAY): "diagnosed/kinds: with a cluster IP in cluster1, headless in cluster2",
    ("SM675", ONE_WAY): r"lonely.diagnosed \(runs in cluster2\)",
    ("SM681", "cluster1"): "DestinationRule sample/helloworld .*is not there",
    ("SM681", "cluster2"): "DestinationRule sample/helloworld .*is not there",
    ("SM684", ONE_WAY): "VirtualService diagnosed/slow for names.diagnosed.svc.cluster.local is not in cluster2",
    (
        "SM685",
        "cluster2",
    ): "DestinationRule sample/helloworld-connections: with SIMPLE, clients in cluster2 lose the endpoints",
}
# What the TLS mode does is seen at the clients: those of cluster2 have no gateway any more. A proxy that was just told
# has no endpoints at all for a moment.
SERVED = {"cluster1": {"cluster1", "cluster2"}, "cluster2": {"cluster2"}}


@contextmanager
def faulty(patient: Patient) -> Iterator[None]:
    """All of these faults, for a while."""
    first, second = patient.kubectl("cluster1"), patient.kubectl("cluster2")
    stack = patient.mirrored.stack
    before = stack.mesh.get("policies", [])
    try:
        make_faults(first, second)
        # Declared, and not applied.
        (stack.project / "policies").mkdir(exist_ok=True)
        (stack.project / "policies/rule.yaml").write_text(yaml.safe_dump(destination_rule()))
        stack.mesh["policies"] = [*before, "policies/rule.yaml"]
        stack.write()
        yield
    finally:
        stack.mesh["policies"] = before
        stack.write()
        first("-n", NAMESPACE, "delete", "envoyfilter/refused", "--ignore-not-found")
        second(*RULE, "-p", json.dumps({"spec": {"trafficPolicy": {"tls": None}}}))
        for kubectl in (first, second):
            kubectl("delete", "namespace", SHARED, "--wait=false", "--ignore-not-found")


def test_each_of_many_faults_is_named_with_its_evidence_and_nothing_else(patient: Patient) -> None:
    seen: list[tuple[dict[str, set[str]], Findings]] = []

    def all_seen() -> bool:
        observed = patient.observed()
        clusters = {name: served_by(observed, name) for name in observed.clusters}
        seen.append((clusters, patient.of(examine(observed, SEEN_ALONE))))
        return clusters == SERVED and set(seen[-1][1]) == set(FAULTS)

    with faulty(patient):
        eventually(all_seen)
    clusters, findings = seen[-1]
    assert set(findings) == set(FAULTS), findings
    told = {fault: re.search(pattern, findings[fault], re.DOTALL) for fault, pattern in FAULTS.items()}
    assert all(told.values()), {fault: findings[fault] for fault, match in told.items() if not match}
    assert clusters == SERVED
    assert eventually(patient.finds(), 60), patient.findings()


def served_by(observed: Observed, client: str) -> set[str]:
    """Clusters of the endpoints that proxies of one cluster have of helloworld."""
    proxies = observed.clusters[client].proxies
    assert not isinstance(proxies, Unknown)
    return {e.cluster for p in proxies for name, found in p.endpoints.items() if name.endswith(HOST) for e in found}


def test_a_gateway_without_address_is_named_with_what_the_cloud_says(patient: Patient) -> None:
    with patient.patched("cluster2", GATEWAY, {"loadBalancerIP": "203.0.113.7"}):
        assert eventually(patient.finds(("SM641", "cluster2"))), patient.findings()
        message = patient.findings()["SM641", "cluster2"]
        assert "SyncLoadBalancerFailed: loadBalancerIP 203.0.113.7 is not one of this region's" in message
    assert eventually(patient.finds(), 60), patient.findings()


def test_pods_as_endpoints_on_another_network_are_seen_where_its_gateway_has_no_network(patient: Patient) -> None:
    second = patient.kubectl("cluster2")
    second(*SYSTEM, "label", GATEWAY, f"{NETWORK}-")
    try:
        assert eventually(lambda: ("SM670", ONE_WAY) in raw(patient.observed()))
        # It follows from the label, which another check names.
        results = [each for each in examine(patient.observed(), SEEN_ALONE) if each.where == ONE_WAY]
        assert {each.check.name for each in results if each.because} == {"known-gateways", "endpoints"}
    finally:
        second(*SYSTEM, "label", GATEWAY, f"{NETWORK}=network2", "--overwrite")
    assert eventually(patient.finds(), 60), patient.findings()


def raw(observed: Observed) -> Findings:
    """What the check of endpoints says by itself."""
    return Patient.of(examine(observed, endpoints.EXAMINED))


def ending_tls(version: str) -> list[dict[str, Any]]:
    """A pod that ends TLS at port 15443 with a certificate of its own, as a load balancer of layer 7 does."""
    own = root("Public CA").issue("lb.example.com", ca=False)
    tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    held = {
        "certificate_chain": {"inline_string": own.pem},
        "private_key": {"inline_string": own.key_pem},
    }
    echo = {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}
    listener = {
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15443}},  # noqa: S104 - in its pod
        "filter_chains": [
            {
                "filters": [{"name": "echo", "typed_config": echo}],
                "transport_socket": {
                    "name": "tls",
                    "typed_config": {"@type": tls, "common_tls_context": {"tls_certificates": [held]}},
                },
            }
        ],
    }
    metadata = {"name": "ending-tls", "namespace": "istio-system", "labels": {"app": "ending-tls"}}
    container = {
        "name": "envoy",
        "image": f"localhost/istio/proxyv2:{version}",
        "imagePullPolicy": "Never",
        "command": ["/usr/local/bin/envoy", "-c", "/etc/tls/envoy.json", "--concurrency", "1"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/tls"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "ending-tls"}}],
        "terminationGracePeriodSeconds": 0,
    }
    data = {"envoy.json": json.dumps({"static_resources": {"listeners": [listener]}})}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data},
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
    ]


def shaken(patient: Patient, probe: Probe) -> Findings:
    """What the check of gateways' ports says of the probe's handshakes of now."""
    observed = patient.observed()
    tried = probe.handshakes()
    clusters = {name: replace(each, handshakes=tried[name]) for name, each in observed.clusters.items()}
    return Patient.of(examine(replace(observed, clusters=clusters), gateway_ports.EXAMINED))


def test_a_port_that_is_shut_and_a_load_balancer_that_ends_tls_are_told_apart(patient: Patient) -> None:
    stack = patient.mirrored.stack.load()
    second = patient.kubectl("cluster2")
    second.apply(*ending_tls(str(stack.mesh.istio.version)))
    try:
        with Probe(stack.mesh, stack.accesses) as probe:
            assert shaken(patient, probe) == {}
            with patient.patched("cluster2", GATEWAY, {"loadBalancerSourceRanges": ["203.0.113.0/24"]}):
                assert eventually(lambda: set(shaken(patient, probe)) == {("SM648", ONE_WAY)})
            assert eventually(lambda: shaken(patient, probe) == {})
            second(*SYSTEM, "wait", "--for=condition=Ready", "pod/ending-tls", "--timeout=60s")
            with patient.patched("cluster2", GATEWAY, {"selector": {"app": "ending-tls", "istio": None}}):
                assert eventually(lambda: set(shaken(patient, probe)) == {("SM649", ONE_WAY)})
                assert "CN=lb.example.com" in shaken(patient, probe)["SM649", ONE_WAY]
                connections_fail_for_clients_too(patient)
            assert eventually(lambda: shaken(patient, probe) == {})
    finally:
        second(*SYSTEM, "delete", "pod/ending-tls", "configmap/ending-tls", "--ignore-not-found", "--wait=false")
    assert eventually(patient.finds(), 60), patient.findings()


def connections_fail_for_clients_too(patient: Patient) -> None:
    """Without any probe, clients that send requests tell that they do not get through."""
    with ExitStack() as running:
        patient.mirrored.load(running)
        assert eventually(patient.finds(("SM665", ONE_WAY))), patient.findings()
