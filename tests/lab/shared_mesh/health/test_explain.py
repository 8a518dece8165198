"""`spanmesh explain`: a request that arrives is followed through three access logs; one that does not is explained."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cli.explain import as_json, exit_code, started, target_of
from live.kubeconfig import ClusterAccess
from live.pods.port import ENVOY_ADMIN, pod_http
from live.walk.walking import walk
from tests.lab.kubectl import Kubectl, eventually, service, web_server
from tests.lab.shared_mesh.mirrored import Mirrored

pytestmark = pytest.mark.lab
NAMESPACE = "walked"
RENEWED_SECONDS = 150
CLIENT = "cluster1/sample/deploy/sleep"
FILE = {"spanmesh.io/file": "policies/walked.yaml"}
NETWORKING, SECURITY = "networking.istio.io/v1", "security.istio.io/v1"
# Services of one pod, a fault each, in both clusters; `remote` is in cluster2 only.
SERVED = ("fine", "half", "undefined", "unrouted", "empty", "aborted")
Explain = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def explain(mirrored: Mirrored) -> Iterator[Explain]:
    """Explains a request of the sample's client in cluster1, in a namespace with every fault at once."""
    clusters = [mirrored.kubectl("cluster1"), mirrored.kubectl("cluster2")]
    stack = mirrored.stack.load()

    def explained(target: str, client: str = CLIENT, path: str = "/", *, send: bool = False) -> dict[str, Any]:
        start = started(client, list(stack.accesses))
        walked = walk(
            stack.mesh, stack.accesses, start, target_of(target, path, "GET", []), send=send, told=lambda _: None
        )
        return {**as_json(walked), "exit": exit_code(walked)}

    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(lambda each: make(*each), zip(clusters, (1, 2), strict=True)))
        # A test before this one took istiod from a gateway, whose pods come back to it when kubelet renews their root.
        assert eventually(lambda: all(map(knows, gateway_pods(mirrored))), RENEWED_SECONDS)
        yield explained
    finally:
        for kubectl in clusters:
            kubectl("delete", "namespace", NAMESPACE, "--wait=false", "--ignore-not-found")


def gateway_pods(mirrored: Mirrored) -> list[tuple[ClusterAccess, str]]:
    """The pods of cluster2's east-west gateway."""
    selected = ("pods", "-n", "istio-system", "-l", "istio=eastwestgateway")
    pods = mirrored.kubectl("cluster2").get(*selected)["items"]
    return [(mirrored.accesses["cluster2"], pod["metadata"]["name"]) for pod in pods]


def knows(pod: tuple[ClusterAccess, str]) -> bool:
    """Whether a gateway pod passes on what is for the Services here."""
    with pod_http(*pod, "istio-system", ENVOY_ADMIN) as http:
        return f"outbound_.80_._.{host('fine')}" in http.text("/config_dump?resource=dynamic_listeners")


def make(kubectl: Kubectl, number: int) -> None:
    """Everything of one cluster: 1 has the policy, 2 the servers."""
    labels = {"istio-injection": "enabled"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    objects = [service(name, "echo") for name in SERVED]
    objects += [service("bare", "bare"), service("strict", "strict"), deaf()]
    if number == 1:
        objects += [web_server("strict", "strict"), *policy()]
        pods = ["strict"]
    else:
        echo, bare = web_server("echo", "echo"), web_server("bare", "bare")
        echo["metadata"]["labels"]["version"] = "v2"
        bare["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
        objects += [echo, bare, service("remote", "echo"), rule("empty", subsets=["v2", "v9"]), forbidden()]
        pods = ["echo", "bare"]
    for each in objects:
        each["metadata"]["namespace"] = NAMESPACE
    kubectl.apply(*objects)
    kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "--timeout=90s", *(f"pod/{pod}" for pod in pods))


def deaf() -> dict[str, Any]:
    """A Service whose targetPort nobody listens at."""
    ports = [{"name": "http", "port": 80, "targetPort": 9999}]
    return service("deaf", "echo", ports=ports)


def policy() -> list[dict[str, Any]]:
    """What cluster1 alone has."""
    return [
        # A connection for each request ends with it, and the gateway writes its line when it does.
        rule("fine", trafficPolicy={"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}),
        rule("half", subsets=["v2"]),
        routed("half", {"v2": 100}),
        routed("undefined", {"v3": 100}),
        rule("empty", subsets=["v2", "v9"]),
        routed("empty", {"v2": 80, "v9": 20}),
        routed("unrouted", None, match=[{"uri": {"prefix": "/there"}}]),
        routed("aborted", None, fault={"abort": {"percentage": {"value": 100}, "httpStatus": 418}}),
        rule("strict", trafficPolicy={"tls": {"mode": "DISABLE"}}),
        istio(SECURITY, "PeerAuthentication", "strict", {"selector": labelled("strict"), "mtls": {"mode": "STRICT"}}),
        istio(
            NETWORKING,
            "Sidecar",
            "shut",
            {"workloadSelector": {"labels": {"app": "strict"}}, "egress": [{"hosts": ["./*"]}]},
        ),
    ]


def forbidden() -> dict[str, Any]:
    """What the server refuses to everybody, in cluster2 alone."""
    rules = [{"to": [{"operation": {"paths": ["/forbidden"]}}]}]
    spec = {"selector": labelled("echo"), "action": "DENY", "rules": rules}
    return istio(SECURITY, "AuthorizationPolicy", "forbidden", spec)


def labelled(app: str) -> dict[str, Any]:
    """Selector of the pods of one app."""
    return {"matchLabels": {"app": app}}


def rule(name: str, subsets: list[str] | None = None, **spec: Any) -> dict[str, Any]:
    """A DestinationRule of the Service of this name."""
    given = [{"name": each, "labels": {"version": each}} for each in subsets or ()]
    return istio(NETWORKING, "DestinationRule", name, {"host": host(name), "subsets": given, **spec})


def routed(name: str, weights: dict[str, int] | None, **http: Any) -> dict[str, Any]:
    """A VirtualService of the Service of this name."""
    shares = [{"destination": {"host": host(name), "subset": s}, "weight": w} for s, w in (weights or {}).items()]
    route = {"route": shares or [{"destination": {"host": host(name)}}], **http}
    return istio(NETWORKING, "VirtualService", name, {"hosts": [host(name)], "http": [route]})


def host(name: str) -> str:
    """Full name of a Service."""
    return f"{name}.{NAMESPACE}.svc.cluster.local"


def istio(version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """An object as a policy file of the stack would make it."""
    metadata = {"name": name, "annotations": FILE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def steps(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every step of a walk, the last of each name."""

    def all_of(some: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for each in some:
            yield each
            yield from all_of(each["steps"])

    return {each["step"]: each for each in all_of(told["steps"])}


def test_a_request_through_a_gateway_is_followed_through_three_access_logs(explain: Explain) -> None:
    told = explain(f"fine.{NAMESPACE}:80", send=True)
    assert (told["exit"], told["broken"]) == (0, None)
    seen = steps(told)
    assert "gateway of cluster2 (network2)" in seen["cluster"]["details"][0]
    assert f"outbound_.80_._.{host('fine')}" in seen["gateway"]["message"]
    assert "mutual TLS PERMISSIVE" in seen["server"]["message"]
    assert "server shows spiffe://cluster.local/ns/walked/sa/default" in seen["certificates"]["details"][0]
    assert seen["policy"]["declaredBy"] == ["AuthorizationPolicy walked/forbidden (policies/walked.yaml)"]
    assert seen["request"]["message"].startswith("200 by curl: echo")
    # Gateway and server are joined by the connection between them, which both have.
    came = seen["server's log"]["message"].rpartition("from ")[2]
    assert seen["server's log"]["cluster"] == "cluster2"
    assert f"found by the connection {came}" in seen["gateway's log"]["message"]
    assert "to gateway" in seen["client's log"]["message"]


def test_a_subset_that_the_serving_cluster_lacks_is_named_at_its_gateway(explain: Explain) -> None:
    told = explain(f"half.{NAMESPACE}:80", send=True)
    first = told["broken"]
    assert (told["exit"], first["code"], first["step"], first["cluster"]) == (1, "SM719", "gateway", "cluster2")
    assert first["declaredBy"] == ["DestinationRule walked/half (policies/walked.yaml)"]
    seen = steps(told)
    assert seen["request"]["message"].startswith("503")
    assert seen["client's log"]["code"] == "SM719"
    assert "filter_chain_not_found" in seen["gateway's log"]["message"]


@pytest.mark.parametrize(
    ("target", "path", "code", "step", "says"),
    [
        ("undefined", "/", "SM715", "cluster", "subset v3"),
        ("unrouted", "/", "SM713", "route", "not unnamed: prefix /there"),
        ("empty", "/", "SM716", "cluster", "20% of requests"),
        ("aborted", "/", "SM726", "route", "abort 100 % by 418"),
        ("remote", "/", "SM711", "name", "cluster2 has"),
        ("bare", "/", "SM721", "cluster", "have no sidecar: walked/bare"),
        ("strict", "/", "SM720", "server", "STRICT"),
    ],
)
def test_the_setting_that_breaks_a_request_is_named_without_sending_it(
    explain: Explain, target: str, path: str, code: str, step: str, says: str
) -> None:
    told = explain(f"{target}.{NAMESPACE}:80", path=path)
    first = told["broken"]
    assert first is not None, told
    assert (told["exit"], first["code"], first["step"]) == (1, code, step)
    assert says in " ".join([first["message"], *first["details"]])


def test_a_port_that_the_service_does_not_have_is_named_with_those_that_it_has(explain: Explain) -> None:
    first = explain(f"fine.{NAMESPACE}:8080")["broken"]
    assert first["code"] == "SM712"
    assert "it has 80 (http)" in first["message"]
    assert first["cure"] == "Ask port 80: 8080 is its targetPort"


def test_a_sidecar_that_hides_the_service_is_named_with_its_file(explain: Explain) -> None:
    first = explain("helloworld.sample:5000", client=f"cluster1/{NAMESPACE}/app=strict")["broken"]
    assert first["code"] == "SM714"
    assert first["declaredBy"] == ["Sidecar walked/shut (policies/walked.yaml)"]


def test_a_refusal_by_the_servers_authorization_policy_is_seen_in_its_log(explain: Explain) -> None:
    told = explain(f"fine.{NAMESPACE}:80", path="/forbidden", send=True)
    assert (told["exit"], told["broken"]["code"]) == (1, "SM723")
    assert "ns[walked]-policy[forbidden]-rule[0]" in steps(told)["server's log"]["message"]


def test_a_server_that_does_not_listen_is_told_from_a_broken_way(explain: Explain) -> None:
    told = explain(f"deaf.{NAMESPACE}:80", send=True)
    assert (told["exit"], told["broken"]["code"], told["broken"]["step"]) == (1, "SM725", "server's log")


def test_a_client_without_sidecar_is_named_first(explain: Explain) -> None:
    told = explain(f"fine.{NAMESPACE}:80", client=f"cluster2/{NAMESPACE}/bare")
    assert (told["exit"], told["broken"]["code"], len(told["steps"])) == (1, "SM710", 1)
