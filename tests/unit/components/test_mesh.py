"""How the components of a mesh hang together: which cluster, which certificate, which order."""

import re
from importlib.metadata import version
from typing import Any

import pytest
import yaml
from packaging.version import Version

from components import Mesh, MeshArgs, samples
from components import root_ca as root_ca_module
from components.providers import cluster_provider
from tests.unit.components.recording import ADDRESSES, Recorder, Registered, opened, record
from topology import Sample, load_mesh

CLUSTERS = ["cluster1", "cluster2", "cluster3"]
DECLARED: dict[str, Any] = {
    "istio": {"version": "1.30.5", "values": {"pilot": {"env": {"A": "b"}}}},
    "clusters": [
        {
            "name": name,
            "network": f"network{n}",
            "apiServer": f"https://203.0.113.1{n}:6443",
            "eastWest": {"annotations": {"kubernetes.io/elb.class": "union"}, "sourceRanges": ["203.0.113.0/24"]},
            "ingress": {} if n == 1 else None,
        }
        for n, name in enumerate(CLUSTERS, start=1)
    ],
}
DECLARED["istio"]["env"] = {"C": "mesh"}
DECLARED["istio"]["imagePullSecrets"] = ["registry"]
DECLARED["clusters"][2] |= {"skipUpdateUnreachable": True, "istio": {"env": {"D": "cluster"}}}
DECLARED["clusters"][2]["eastWest"] = {
    "type": "ClusterIP",
    "externalIPs": ["203.0.113.33"],
    "nodeSelector": {"role": "edge"},
    "tolerations": [{"key": "edge", "operator": "Exists", "effect": "NoSchedule"}],
    "replicas": 3,
    "maxReplicas": 4,
    "drainSeconds": 40,
    "maxConnections": 5000,
}


@pytest.fixture(scope="module")
def recorded() -> tuple[Recorder, dict[str, Any]]:
    def program() -> Any:
        declared = load_mesh(DECLARED)
        providers = {name: cluster_provider(name, f"kubeconfig of {name}", name == "cluster3") for name in CLUSTERS}
        mesh = Mesh("mesh", MeshArgs(mesh=declared, providers=providers))
        samples(Sample(image="sample:1"), declared, mesh.clusters, providers)
        return mesh.summary(declared)

    patch = pytest.MonkeyPatch()
    patch.setattr(root_ca_module, "sha256_fingerprint", lambda pem: f"sha256 of {pem}")
    try:
        return record(program)
    finally:
        patch.undo()


def provider_of(resource: Registered) -> str:
    return resource.provider.rsplit("::", 2)[-2]


def test_every_kubernetes_resource_names_the_provider_of_its_own_cluster(recorded: tuple[Recorder, Any]) -> None:
    kubernetes = [r for r in recorded[0].resources if r.type.startswith("kubernetes:")]
    assert len(kubernetes) > 60
    for resource in kubernetes:
        # A reader's identity mesh-links-<peer>-readers-<reader>-… stands in the peer's cluster: the first name counts.
        names = [name for name in CLUSTERS if name in resource.name]
        owner = min(names, key=resource.name.index)
        assert provider_of(resource) == owner, resource.name


def test_each_intermediate_is_its_own_and_signed_by_the_one_root(recorded: tuple[Recorder, Any]) -> None:
    secrets = [r for r in recorded[0].of("Secret") if r.inputs["metadata"]["name"] == "cacerts"]
    assert {provider_of(s) for s in secrets} == set(CLUSTERS)
    for secret in secrets:
        own = f"mesh-trust-{provider_of(secret)}-intermediate"
        assert opened(secret.inputs["stringData"]) == {
            "ca-cert.pem": f"CERT {own}-cert",
            "ca-key.pem": f"PKCS8 {own}-key",
            "root-cert.pem": "CERT mesh-trust-root-cert",
            "cert-chain.pem": f"CERT {own}-certCERT mesh-trust-root-cert",
        }
    signed = recorded[0].of("LocallySignedCert")
    assert {opened(s.inputs["caPrivateKeyPem"]) for s in signed} == {"KEY mesh-trust-root-key"}
    assert len({s.inputs["certRequestPem"] for s in signed}) == len(CLUSTERS)
    subjects = [r.inputs["subject"]["commonName"] for r in recorded[0].of("CertRequest")]
    assert sorted(subjects) == [f"Intermediate CA {name}" for name in CLUSTERS]


def test_istiod_is_told_its_mesh_cluster_and_network_and_keeps_the_users_values(
    recorded: tuple[Recorder, Any],
) -> None:
    values = recorded[0].named("mesh-cluster2-control-plane-istiod").inputs["values"]
    assert values["global"]["multiCluster"] == {"clusterName": "cluster2"}
    assert (values["global"]["network"], values["global"]["meshID"]) == ("network2", "mesh1")
    assert (values["global"]["hub"], values["global"]["tag"]) == ("docker.io/istio", "1.30.5")
    assert values["pilot"]["env"] == {"ISTIO_MULTIROOT_MESH": "true", "A": "b", "C": "mesh"}
    assert values["meshConfig"]["defaultConfig"]["proxyMetadata"] == {"PROXY_CONFIG_XDS_AGENT": "true"}


def test_the_gateway_opens_health_first_and_15443_only(recorded: tuple[Recorder, Any]) -> None:
    service = recorded[0].named("mesh-cluster1-east-west-gateway-service").inputs
    assert [(p["name"], p["port"]) for p in service["spec"]["ports"]] == [("status-port", 15021), ("tls", 15443)]
    assert service["spec"]["loadBalancerSourceRanges"] == ["203.0.113.0/24"]
    assert service["metadata"]["annotations"] == {"kubernetes.io/elb.class": "union"}
    assert service["metadata"]["labels"]["topology.istio.io/network"] == "network1"


def test_gateways_run_where_the_user_wants_apart_from_each_other_and_end_slowly(
    recorded: tuple[Recorder, Any],
) -> None:
    deployment = recorded[0].named("mesh-cluster3-east-west-gateway-deployment").inputs["spec"]["template"]
    pod = deployment["spec"]
    assert pod["nodeSelector"] == {"role": "edge"}
    assert pod["tolerations"] == [{"key": "edge", "operator": "Exists", "effect": "NoSchedule"}]
    spread = {c["topologyKey"]: c["whenUnsatisfiable"] for c in pod["topologySpreadConstraints"]}
    assert spread == {
        "topology.kubernetes.io/zone": "ScheduleAnyway",
        "kubernetes.io/hostname": "ScheduleAnyway",
    }
    proxy = yaml.safe_load(deployment["metadata"]["annotations"]["proxy.istio.io/config"])
    assert proxy["terminationDrainDuration"] == "40s"
    # That of the whole proxy would fail its health checks as well.
    assert proxy["runtimeValues"] == {"envoy.resource_limits.listener.0.0.0.0_15443.connection_limit": "5000"}
    assert proxy["proxyStatsMatcher"] == {"inclusionPrefixes": ["listener.0.0.0.0_15443."]}
    assert pod["terminationGracePeriodSeconds"] > 40
    autoscaler = recorded[0].named("mesh-cluster3-east-west-gateway-autoscaler").inputs["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (3, 4)


def test_a_gateway_with_addresses_of_its_own_says_them(recorded: tuple[Recorder, Any]) -> None:
    service = recorded[0].named("mesh-cluster3-east-west-gateway-service").inputs["spec"]
    assert (service["type"], service["externalIPs"]) == ("ClusterIP", ["203.0.113.33"])
    assert recorded[1]["clusters"]["cluster3"]["eastWest"]["addresses"] == ["203.0.113.33"]


def test_istiod_gets_its_environment_and_pull_secrets_of_mesh_and_cluster(recorded: tuple[Recorder, Any]) -> None:
    values = recorded[0].named("mesh-cluster3-control-plane-istiod").inputs["values"]
    assert values["pilot"]["env"] == {"ISTIO_MULTIROOT_MESH": "true", "A": "b", "C": "mesh", "D": "cluster"}
    assert values["global"]["imagePullSecrets"] == ["registry"]


def test_only_the_marked_cluster_is_skipped_while_unreachable(recorded: tuple[Recorder, Any]) -> None:
    providers = {r.name: r.inputs for r in recorded[0].resources if r.type == "pulumi:providers:kubernetes"}
    assert {name: inputs["skipUpdateUnreachable"] for name, inputs in providers.items()} == {
        "cluster1": "false",
        "cluster2": "false",
        "cluster3": "true",
    }
    assert {inputs["deleteUnreachable"] for inputs in providers.values()} == {"false"}


def test_what_an_interrupted_update_left_is_taken_up_again_by_every_version_of_the_provider(
    recorded: tuple[Recorder, Any],
) -> None:
    providers = [r.inputs for r in recorded[0].resources if r.type == "pulumi:providers:kubernetes"]
    since_it_refuses = Version(version("pulumi-kubernetes")) >= Version("4.29")
    assert {inputs.get("upsertExistingObjects") for inputs in providers} == {"true" if since_it_refuses else None}


def test_an_ingress_gateway_stands_only_where_declared(recorded: tuple[Recorder, Any]) -> None:
    gateways = [r for r in recorded[0].of("Service") if r.inputs["metadata"]["name"] == "istio-ingressgateway"]
    assert [provider_of(g) for g in gateways] == ["cluster1"]


def test_one_remote_secret_per_reader_holds_every_peer_and_never_itself(recorded: tuple[Recorder, Any]) -> None:
    secrets = [
        r
        for r in recorded[0].of("Secret")
        if r.inputs["metadata"].get("labels", {}).get("istio/multiCluster") == "true"
    ]
    assert sorted(provider_of(s) for s in secrets) == CLUSTERS
    for secret in secrets:
        reader = provider_of(secret)
        assert sorted(opened(secret.inputs["stringData"])) == [name for name in CLUSTERS if name != reader]


def test_each_reader_has_an_identity_of_its_own_in_every_peer(recorded: tuple[Recorder, Any]) -> None:
    accounts = {
        (r.inputs["metadata"]["name"], provider_of(r))
        for r in recorded[0].of("ServiceAccount")
        if r.inputs["metadata"]["name"].startswith("istio-reader-")
    }
    assert accounts == {(f"istio-reader-{a}", b) for a in CLUSTERS for b in CLUSTERS if a != b}


def test_outputs_say_addresses_versions_and_root_and_nothing_secret(recorded: tuple[Recorder, Any]) -> None:
    outputs = recorded[1]
    assert outputs["root"]["sha256"] == "sha256 of CERT mesh-trust-root-cert"
    for n, name in enumerate(CLUSTERS, start=1):
        cluster = outputs["clusters"][name]
        address = ADDRESSES[name] if name != "cluster3" else "203.0.113.33"
        assert cluster["eastWest"] == {"addresses": [address], "port": 15443}
        assert (cluster["network"], cluster["istioVersion"]) == (f"network{n}", "1.30.5")
    assert outputs["clusters"]["cluster1"]["ingress"] == {"addresses": [ADDRESSES["cluster1"]]}
    assert "KEY" not in str(outputs)
    assert "token" not in str(outputs)


def test_the_sample_serves_another_version_in_each_cluster(recorded: tuple[Recorder, Any]) -> None:
    served = {
        provider_of(r): r.inputs["metadata"]["name"]
        for r in recorded[0].of("Deployment")
        if r.inputs["metadata"]["name"].startswith("helloworld")
    }
    assert served == {name: f"helloworld-v{n}" for n, name in enumerate(CLUSTERS, start=1)}


def test_the_sample_takes_a_new_connection_for_each_request(recorded: tuple[Recorder, Any]) -> None:
    rules = [r.inputs for r in recorded[0].of("DestinationRule")]
    assert len(rules) == len(CLUSTERS)
    for rule in rules:
        assert rule["spec"]["host"] == "helloworld.sample.svc.cluster.local"
        assert rule["spec"]["trafficPolicy"]["connectionPool"]["http"] == {"maxRequestsPerConnection": 1}


def test_the_proxies_of_the_sample_count_their_connections_to_it(recorded: tuple[Recorder, Any]) -> None:
    """By the regular expressions that Envoy holds against the whole name of a counter."""
    name = "cluster.outbound|5000||helloworld.sample.svc.cluster.local"
    templates = [r.inputs["spec"]["template"] for r in recorded[0].of("Deployment")]
    asked = [
        yaml.safe_load(each["metadata"]["annotations"]["proxy.istio.io/config"])["proxyStatsMatcher"][
            "inclusionRegexps"
        ]
        for each in templates
        if each["metadata"]["labels"].get("app") in ("helloworld", "sleep")
    ]
    assert len(asked) == 2 * len(CLUSTERS)
    for expressions in asked:

        def counted(counter: str, expressions: list[str] = expressions) -> bool:
            return any(re.fullmatch(expression, counter) for expression in expressions)

        assert counted(f"{name};.upstream_rq_retry")
        assert counted(f"{name}.upstream_cx_connect_fail")
        assert counted(f"{name};.ssl.fail_verify_error")
        assert counted("listener.0.0.0.0_15006.ssl.connection_error")
        assert not counted("cluster.outbound|5000||other.sample.svc.cluster.local;.upstream_rq_retry")
