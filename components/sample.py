"""The example workload by which a mesh is tried: helloworld, another version in each cluster, and a client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
import yaml

from components.cluster import Cluster
from policy.hosts import full_name
from policy.provenance import STACK, label_value
from policy.world import Placed
from topology import model

HELLO_PORT = 5000
CLIENT = "sleep"
SERVICE = "helloworld"
REQUESTS = {"cpu": "10m", "memory": "16Mi"}
# Istio's proxies count little unless asked to. By these a load shows which failures a retry hid from it.
_TLS = r"ssl\.(handshake|session_reused|fail_verify_.*|connection_error)"
_TO_SERVICE = rf"cluster\.outbound\|{HELLO_PORT}\|.*\|{SERVICE}\..*"
COUNTED = (
    rf"{_TO_SERVICE}\.(upstream_cx_(total|connect_fail)|upstream_rq_(total|retry))",
    rf"{_TO_SERVICE}\.{_TLS}",
    rf"listener\.0\.0\.0\.0_15006\.{_TLS}",
)
COUNTED_BY = {"proxy.istio.io/config": yaml.safe_dump({"proxyStatsMatcher": {"inclusionRegexps": list(COUNTED)}})}


@dataclass(frozen=True)
class SampleArgs:
    """Arguments of :class:`Sample`.

    Attributes:
        cluster: Istio's cluster name; every answer names it.
        version: version that this cluster serves, for example v1.
        image: image with sh, curl and busybox's httpd.
        namespace: namespace to make, with injection.
        ready: what has to stand first: the cluster's istiod.
        rule: whether it brings its DestinationRule; of two for one host Istio follows the settings of one only.
    """

    cluster: str
    version: str
    image: str
    namespace: str
    ready: Sequence[pulumi.Resource] = ()
    rule: bool = True


class Sample(pulumi.ComponentResource):
    """Service ``helloworld:5000``, one version of it, and the client ``sleep``, as in Istio's multicluster samples.

    Proxies use a connection to it for one request: an east-west gateway chooses a pod for each connection, so pooled
    ones would show one pod behind it, however many there are (istio#31549). Policy of the stack that has a
    DestinationRule for it has to say the same.
    """

    def __init__(self, name: str, args: SampleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Sample", name, None, opts)
        namespace = k8s.core.v1.Namespace(
            f"{name}-namespace",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=args.namespace, labels={"istio-injection": "enabled"}),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(args.ready),
                # `spanmesh revision move` changes them, and a refresh is not to take that back.
                ignore_changes=["metadata.labels"],
            ),
        )
        account = k8s.core.v1.ServiceAccount(
            f"{name}-client-account",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=CLIENT, namespace=args.namespace),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[namespace]),
        )
        self._child = pulumi.ResourceOptions(parent=self, depends_on=[account])
        k8s.core.v1.Service(
            f"{name}-service",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=SERVICE,
                namespace=args.namespace,
                # In another cluster there may be no pod of it: not a reason to wait.
                annotations={"pulumi.com/skipAwait": "true"},
            ),
            spec=k8s.core.v1.ServiceSpecArgs(
                selector={"app": SERVICE},
                ports=[k8s.core.v1.ServicePortArgs(name="http", port=HELLO_PORT)],
            ),
            opts=self._child,
        )
        if args.rule:
            self._rule(f"{name}-connections", args.namespace)
        self._deployment(
            f"{name}-helloworld",
            f"{SERVICE}-{args.version}",
            {"app": SERVICE, "version": args.version},
            args,
            f'echo "Hello version: {args.version}, cluster: {args.cluster}, instance: $HOSTNAME" > /tmp/hello'
            f" && exec busybox httpd -f -p {HELLO_PORT} -h /tmp",
        )
        self._deployment(f"{name}-client", CLIENT, {"app": CLIENT}, args, "exec busybox sleep 2147483647")
        self.register_outputs({"namespace": args.namespace, "version": args.version})

    def _rule(self, name: str, namespace: str) -> None:
        k8s.apiextensions.CustomResource(
            name,
            api_version="networking.istio.io/v1",
            kind="DestinationRule",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=f"{SERVICE}-connections", namespace=namespace, labels={STACK: label_value(pulumi.get_stack())}
            ),
            spec={
                "host": f"{SERVICE}.{namespace}.svc.cluster.local",
                "trafficPolicy": {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}},
            },
            opts=self._child,
        )

    def _deployment(
        self, name: str, workload: str, labels: dict[str, str], args: SampleArgs, script: str
    ) -> k8s.apps.v1.Deployment:
        return k8s.apps.v1.Deployment(
            name,
            metadata=k8s.meta.v1.ObjectMetaArgs(name=workload, namespace=args.namespace),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels),
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels, annotations=COUNTED_BY),
                    spec=k8s.core.v1.PodSpecArgs(
                        service_account_name=CLIENT if workload == CLIENT else None,
                        termination_grace_period_seconds=0 if workload == CLIENT else 5,
                        containers=[
                            k8s.core.v1.ContainerArgs(
                                name=labels["app"],
                                image=args.image,
                                image_pull_policy="IfNotPresent",
                                # PID 1 of a container has no default signal handlers: sh forwards nothing,
                                # busybox ends with the pod's grace period.
                                command=["busybox", "sh", "-c", script],
                                resources=k8s.core.v1.ResourceRequirementsArgs(requests=REQUESTS),
                                security_context=k8s.core.v1.SecurityContextArgs(
                                    run_as_user=1000, allow_privilege_escalation=False
                                ),
                            )
                        ],
                    ),
                ),
            ),
            opts=self._child,
        )


def samples(
    sample: model.Sample | None,
    declared: model.Mesh,
    clusters: Mapping[str, Cluster],
    providers: Mapping[str, k8s.Provider],
    policy: Sequence[Placed] = (),
) -> None:
    """A :class:`Sample` in every cluster: v1 in the mesh's first, v2 in the second, and so on.

    Args:
        sample: what the user declared; None: no sample.
        declared: the declared mesh.
        clusters: the clusters of this stack, by Istio's cluster name.
        providers: their providers, by Istio's cluster name.
        policy: Istio policy of the mesh: where it has a DestinationRule for helloworld, the sample brings none.
    """
    if sample is None:
        return
    host = f"{SERVICE}.{sample.namespace}.svc.cluster.local"
    ruled = {
        cluster
        for placed in policy
        for cluster in placed.clusters
        if placed.document.kind == "DestinationRule"
        and full_name(str(placed.document.spec.get("host")), placed.document.namespace) == host
    }
    for number, cluster in enumerate(declared.clusters, start=1):
        if cluster.name not in clusters:
            continue
        Sample(
            f"sample-{cluster.name}",
            SampleArgs(
                cluster=cluster.name,
                version=f"v{number}",
                image=sample.image,
                namespace=sample.namespace,
                ready=[clusters[cluster.name].control_plane],
                rule=cluster.name not in ruled,
            ),
            pulumi.ResourceOptions(providers=[providers[cluster.name]]),
        )
