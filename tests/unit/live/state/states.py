"""A preview and a state of a small stack, as Pulumi writes them."""

from typing import Any

from live.state.deployment import HIDDEN, secret

URN = "urn:pulumi:test::spanmesh::"
STACK = f"{URN}pulumi:pulumi:Stack::spanmesh-test"
MESH = f"{URN}spanmesh:index:Mesh::mesh"
EMPTY_COMPONENT = f"{URN}spanmesh:index:Mesh$spanmesh:index:ProvidedRootCA::mesh-trust-root"
SERVICE = f"{URN}spanmesh:index:Mesh$kubernetes:core/v1:Service::mesh-cluster1-gateway"
CACERTS = f"{URN}spanmesh:index:Mesh$kubernetes:core/v1:Secret::mesh-cluster1-cacerts"
RELEASE = f"{URN}spanmesh:index:Mesh$kubernetes:helm.sh/v3:Release::mesh-cluster1-istiod"
KEY = f"{URN}spanmesh:index:Mesh$tls:index/privateKey:PrivateKey::mesh-cluster1-key"
KUBECONFIG = "apiVersion: v1\nkind: Config\n"


def provider(cluster: str) -> str:
    """URN of a cluster's provider."""
    return f"{URN}pulumi:providers:kubernetes::{cluster}"


def step(urn: str, inputs: dict[str, Any] | None = None, op: str = "create", **rest: Any) -> dict[str, Any]:
    """One step of a preview."""
    kind = urn.removeprefix(URN).rsplit("::", 1)[0].rsplit("$", 1)[-1]
    custom = not kind.startswith(("spanmesh:", "pulumi:pulumi:"))
    state = {"urn": urn, "type": kind, "custom": custom, "sourcePosition": "project:///x.py#1", **rest}
    if custom:
        state["inputs"] = inputs or {}
        if kind.startswith("kubernetes:"):
            state["provider"] = f"{provider('cluster1')}::04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    return {"op": op, "urn": urn, "newState": state}


PREVIEW = {
    "steps": [
        step(STACK),
        step(provider("cluster1"), {"version": "4.25.0", "kubeconfig": HIDDEN}, parent=STACK),
        step(MESH, parent=STACK),
        step(EMPTY_COMPONENT, parent=MESH),
        step(KEY, parent=MESH),
        step(
            SERVICE,
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "gateway", "namespace": "istio-system"},
                "spec": {"ports": [{"port": 15443, "name": "tls"}], "loadBalancerSourceRanges": []},
            },
            parent=MESH,
        ),
        step(
            CACERTS,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "cacerts", "namespace": "istio-system"},
                "stringData": HIDDEN,
            },
            parent=MESH,
            dependencies=[KEY, SERVICE],
            propertyDependencies={"stringData": [KEY], "metadata": []},
            additionalSecretOutputs=["data", "stringData"],
        ),
        step(
            RELEASE,
            {"name": "istiod", "namespace": "istio-system", "chart": ".charts/istiod", "timeout": 180, "values": {}},
            parent=MESH,
        ),
    ]
}
EMPTY = {"version": 3, "deployment": {"manifest": {}}}
DATA = secret({"ca-key.pem": "a2V5"})


def read(pulumis: str, resource: str, found_by: str, **outputs: Any) -> dict[str, Any]:
    """One resource of the state that `pulumi import` makes."""
    return {"urn": f"{URN}{pulumis}::{resource}", "type": pulumis, "id": found_by, "outputs": outputs}


IMPORTED = {
    "deployment": {
        "resources": [
            read(
                "kubernetes:core/v1:Service",
                "mesh-cluster1-gateway",
                "istio-system/gateway",
                apiVersion="v1",
                kind="Service",
                metadata={"name": "gateway", "namespace": "istio-system", "uid": "1"},
                spec={"clusterIP": "10.96.0.7", "ports": [{"port": 15443, "name": "tls", "nodePort": 30001}]},
                __fieldManager="pulumi-kubernetes-new",
                __inputs={"spec": {"clusterIP": "10.96.0.7"}},
            ),
            read(
                "kubernetes:core/v1:Secret",
                "mesh-cluster1-cacerts",
                "istio-system/cacerts",
                apiVersion="v1",
                kind="Secret",
                type="Opaque",
                data=DATA,
                metadata={"name": "cacerts", "namespace": "istio-system"},
            ),
            read(
                "kubernetes:helm.sh/v3:Release",
                "mesh-cluster1-istiod",
                "istio-system/istiod",
                name="istiod",
                namespace="istio-system",
                chart="istiod",
                timeout=0,
                values={"pilot": {"env": {"A": "b"}}},
                status={"revision": 3},
            ),
        ]
    }
}
