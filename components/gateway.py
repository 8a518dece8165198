"""A gateway as plain Kubernetes resources: a diff a reviewer can read, and its address as an output.

Istio's gateway chart is not used: its ``networkGateway`` puts istiod's ports 15012 and 15017 on the public load
balancer, and the schema of the 1.22.3 chart is refused by current Helm.
"""

from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import yaml

from topology.defaults import VERSION_LABEL
from topology.gateway import Gateway, Toleration
from topology.revisions import DEFAULT, LABEL

STATUS_PORT = 15021
SCALE = 5
# What a proxy needs to end once it has drained.
END_SECONDS = 10


@dataclass(frozen=True)
class GatewayWorkloadArgs:
    """Arguments of :class:`GatewayWorkload`.

    Attributes:
        workload: name of Deployment, Service and ServiceAccount.
        namespace: namespace of the gateway.
        istio_label: value of the label ``istio`` that a Gateway selects.
        ports: name to port, besides 15021.
        gateway: what the user declared.
        istio_version: version of the istiod that injects the proxy: pods are made anew when it changes.
        image_pull_policy: of the proxy; said explicitly, because Kubernetes takes the image `auto` for one to pull
            always.
        labels: further labels of pods and Service.
        env: further environment of the proxy.
        revision: the revision that injects the proxy.
    """

    workload: str
    namespace: str
    istio_label: str
    ports: dict[str, int]
    gateway: Gateway
    istio_version: pulumi.Input[str]
    image_pull_policy: str
    labels: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    revision: str = DEFAULT


def load_balancer_addresses(status: Any) -> list[str]:
    """Addresses (IPs or hostnames) in a Service's status; empty while the cloud has given none."""
    ingress = (status.load_balancer.ingress if status and status.load_balancer else None) or []
    return [address for entry in ingress if (address := entry.ip or entry.hostname)]


class GatewayWorkload(pulumi.ComponentResource):
    """ServiceAccount, Deployment (injection template ``gateway``), Service, autoscaler and disruption budget.

    Attributes:
        addresses: IPs or hostnames that the load balancer gave, or else the Service's externalIPs.
    """

    addresses: pulumi.Output[list[str]]

    def __init__(self, name: str, args: GatewayWorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:GatewayWorkload", name, None, opts)
        selector = {"app": args.workload, "istio": args.istio_label}
        labels = {**selector, **args.labels}
        meta = k8s.meta.v1.ObjectMetaArgs(name=args.workload, namespace=args.namespace, labels=labels)
        child = pulumi.ResourceOptions(parent=self)
        account = k8s.core.v1.ServiceAccount(f"{name}-account", metadata=meta, opts=child)
        k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=meta,
            # No replicas here: they are the autoscaler's.
            spec=k8s.apps.v1.DeploymentSpecArgs(
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector),
                min_ready_seconds=args.gateway.min_ready_seconds,
                # Never fewer pods than before, and of many only some at a time.
                strategy=k8s.apps.v1.DeploymentStrategyArgs(
                    rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(max_surge="25%", max_unavailable=0)
                ),
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(
                        labels={
                            **labels,
                            "sidecar.istio.io/inject": "true",
                            VERSION_LABEL: args.istio_version,
                            # Then no other istiod's webhook is for them, whatever the tag `default` stands for.
                            **({} if args.revision == DEFAULT else {LABEL: args.revision}),
                        },
                        annotations={
                            "inject.istio.io/templates": "gateway",
                            "proxy.istio.io/config": yaml.safe_dump(_proxy_config(args)),
                        },
                    ),
                    spec=_pod(args, selector),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account]),
        )
        k8s.autoscaling.v2.HorizontalPodAutoscaler(
            f"{name}-autoscaler",
            metadata=meta,
            spec=k8s.autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
                scale_target_ref=k8s.autoscaling.v2.CrossVersionObjectReferenceArgs(
                    api_version="apps/v1", kind="Deployment", name=args.workload
                ),
                min_replicas=args.gateway.replicas,
                max_replicas=args.gateway.max_replicas or args.gateway.replicas * SCALE,
                metrics=[
                    k8s.autoscaling.v2.MetricSpecArgs(
                        type="Resource",
                        resource=k8s.autoscaling.v2.ResourceMetricSourceArgs(
                            name="cpu",
                            target=k8s.autoscaling.v2.MetricTargetArgs(type="Utilization", average_utilization=80),
                        ),
                    )
                ],
            ),
            opts=child,
        )
        k8s.policy.v1.PodDisruptionBudget(
            f"{name}-disruption-budget",
            metadata=meta,
            spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
                max_unavailable=1, selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector)
            ),
            opts=child,
        )
        service = k8s.core.v1.Service(
            f"{name}-service",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=args.workload,
                namespace=args.namespace,
                labels=labels,
                annotations=args.gateway.annotations or None,
            ),
            spec=k8s.core.v1.ServiceSpecArgs(
                type=args.gateway.type,
                selector=selector,
                load_balancer_class=args.gateway.load_balancer_class,
                load_balancer_source_ranges=args.gateway.source_ranges or None,
                external_ips=args.gateway.external_ips or None,
                external_traffic_policy=args.gateway.external_traffic_policy,
                # The health port first: some clouds check the first port they find.
                ports=[
                    k8s.core.v1.ServicePortArgs(name=port, port=number, target_port=number)
                    for port, number in {"status-port": STATUS_PORT, **args.ports}.items()
                ],
            ),
            # Beside the pods, not after them: a gateway's proxy is not ready before a Service selects it.
            opts=child,
        )
        self.addresses = service.status.apply(
            lambda status: load_balancer_addresses(status) or args.gateway.external_ips
        )
        self.register_outputs({"addresses": self.addresses})


def _proxy_config(args: GatewayWorkloadArgs) -> dict[str, Any]:
    """What differs from other proxies: its drain, how many connections it holds, and statistics of whom it refuses.

    The limit is that of single listeners, because that of the whole proxy would fail its health checks as well.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/runtime
    """
    listeners = [f"0.0.0.0_{port}" for port in args.ports.values()]
    return {
        "terminationDrainDuration": f"{args.gateway.drain_seconds}s",
        "runtimeValues": {
            f"envoy.resource_limits.listener.{name}.connection_limit": str(args.gateway.max_connections)
            for name in listeners
        },
        # Istio's proxies keep none of listeners unless they are asked for.
        "proxyStatsMatcher": {"inclusionPrefixes": [f"listener.{name}." for name in listeners]},
    }


def _pod(args: GatewayWorkloadArgs, selector: dict[str, str]) -> k8s.core.v1.PodSpecArgs:
    env = [k8s.core.v1.EnvVarArgs(name=key, value=value) for key, value in args.env.items()]
    return k8s.core.v1.PodSpecArgs(
        service_account_name=args.workload,
        termination_grace_period_seconds=args.gateway.drain_seconds + END_SECONDS,
        node_selector=args.gateway.node_selector or None,
        tolerations=[_toleration(each) for each in args.gateway.tolerations] or None,
        # Apart where there is room; on one node rather than not at all.
        topology_spread_constraints=[
            k8s.core.v1.TopologySpreadConstraintArgs(
                max_skew=1,
                topology_key=key,
                when_unsatisfiable="ScheduleAnyway",
                label_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector),
            )
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        security_context=k8s.core.v1.PodSecurityContextArgs(
            # Ports below 1024 for a proxy that is not root.
            sysctls=[k8s.core.v1.SysctlArgs(name="net.ipv4.ip_unprivileged_port_start", value="0")]
        ),
        containers=[
            k8s.core.v1.ContainerArgs(
                name="istio-proxy",
                image="auto",
                image_pull_policy=args.image_pull_policy,
                env=env or None,
                ports=[k8s.core.v1.ContainerPortArgs(name="http-envoy-prom", container_port=15090, protocol="TCP")],
                resources=k8s.core.v1.ResourceRequirementsArgs(
                    requests=args.gateway.resources.requests or None, limits=args.gateway.resources.limits or None
                ),
                security_context=k8s.core.v1.SecurityContextArgs(
                    allow_privilege_escalation=False,
                    capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
                    privileged=False,
                    read_only_root_filesystem=True,
                    run_as_non_root=True,
                ),
            )
        ],
    )


def _toleration(declared: Toleration) -> k8s.core.v1.TolerationArgs:
    return k8s.core.v1.TolerationArgs(
        key=declared.key,
        operator=declared.operator,
        value=declared.value,
        effect=declared.effect,
        toleration_seconds=declared.toleration_seconds,
    )
