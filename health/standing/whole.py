"""All parts of all clusters, from what was seen."""

from collections.abc import Mapping
from datetime import datetime

from health.check import State
from health.observed import EastWestGateway, Observed, ObservedCluster, Unknown
from health.standing.lifetimes import certificates
from health.standing.part import ClusterStanding, InStep, Part, PartName
from health.standing.reading import remotes
from topology import Mesh, clients_of_gateway
from topology.defaults import east_west_of, istio_of
from topology.revisions import DEFAULT, declared_revisions, default_revision

LOAD_BALANCER = "LoadBalancer"
DEPENDENT: tuple[PartName, ...] = ("istiod", "gateway", "remotes", "certificates", "versions", "policy")


def standing(observed: Observed, in_step: Mapping[str, InStep]) -> list[ClusterStanding]:
    """How each cluster stands against what is declared.

    Args:
        observed: what was seen, of the topics istiods, settings, trust, remote, readers and gateway.
        in_step: by cluster, how its policy compares; one that is not in it was not compared.
    """
    return [
        ClusterStanding(name, each.seconds, tuple(_parts(observed.mesh, each, observed.at, in_step.get(name))))
        for name, each in observed.clusters.items()
    ]


def _parts(mesh: Mesh, cluster: ObservedCluster, now: datetime, in_step: InStep | None) -> list[Part]:
    if isinstance(cluster.kubernetes, Unknown):
        reason = "its API server cannot be asked"
        api = Part("api", State.FAILED, "cannot be asked", (cluster.kubernetes.reason,), {"version": None})
        return [api, *(Part(name, State.SKIPPED, "unknown", (reason,)) for name in DEPENDENT)]
    return [
        _api(cluster, cluster.kubernetes),
        _istiod(cluster),
        _gateway(mesh, cluster),
        remotes(mesh, cluster),
        certificates(cluster, now, mesh.trust),
        _versions(mesh, cluster, cluster.kubernetes),
        _policy(in_step),
    ]


def _api(cluster: ObservedCluster, version: str) -> Part:
    clock = None if isinstance(cluster.clock, Unknown) else round(cluster.clock, 1)
    facts = {"version": version, "answerSeconds": round(cluster.answered, 3), "clockAheadSeconds": clock}
    return Part("api", State.OK, f"{version}, {cluster.answered * 1000:.0f} ms", facts=facts)


def _istiod(cluster: ObservedCluster) -> Part:
    if isinstance(cluster.istiods, Unknown):
        return Part("istiod", State.SKIPPED, "unknown", (cluster.istiods.reason,))
    settings = cluster.settings
    wanted = settings.replicas if settings and not isinstance(settings, Unknown) else 1
    ready = [each for each in cluster.istiods if each.ready]
    failures = [f"istiod pod {each.pod} is not ready: {each.reason}" for each in cluster.istiods if not each.ready]
    if len(cluster.istiods) < max(1, wanted):
        failures.append(f"{len(cluster.istiods)} of {max(1, wanted)} istiod pods are there")
    mute = [f"istiod pod {each.pod} does not say what it does: {each.reason}" for each in ready if each.reason]
    pods = [
        {
            "name": each.pod,
            "ready": each.ready,
            "version": each.version or None,
            "revision": each.revision,
            "proxies": None if each.reason else len(each.proxies),
            "reason": each.reason or None,
        }
        for each in cluster.istiods
    ]
    text = f"{len(ready)}/{max(wanted, len(cluster.istiods))} ready"
    if len(revisions := sorted({each.revision for each in cluster.istiods})) > 1:
        text += f" ({', '.join(revisions)})"
    if not mute and ready:
        text += f", {sum(len(each.proxies) for each in ready)} proxies"
    state = State.FAILED if failures else State.SKIPPED if mute else State.OK
    return Part("istiod", state, text, (*failures, *mute), {"wanted": wanted, "pods": pods})


def _gateway(mesh: Mesh, cluster: ObservedCluster) -> Part:
    seen, declared = cluster.gateway, east_west_of(mesh, mesh.cluster(cluster.name))
    if isinstance(seen, Unknown):
        return Part("gateway", State.SKIPPED, "unknown", (seen.reason,))
    clients = [each.name for each in clients_of_gateway(mesh)[cluster.name]]
    if seen is None:
        return Part("gateway", State.FAILED, "none", ("the Service istio-eastwestgateway is missing: `pulumi up`",))
    failures = []
    if not seen.addresses and declared.type == LOAD_BALANCER:
        said = f": {'; '.join(seen.events)}" if seen.events else ""
        whose = f", and {', '.join(clients)} cannot reach it" if clients else ""
        failures.append(f"its east-west gateway has no address{whose}{said}")
    ready = [pod for pod in seen.pods if pod.ready]
    failures += [f"gateway pod {pod.name} is not ready: {pod.reason}" for pod in seen.pods if not pod.ready]
    if len(seen.pods) < declared.replicas:
        failures.append(f"{len(seen.pods)} of {declared.replicas} gateway pods are there")
    return Part(
        "gateway",
        State.FAILED if failures else State.OK,
        f"{', '.join(seen.addresses) or 'no address'}, {len(ready)}/{max(declared.replicas, len(seen.pods))} ready",
        tuple(failures),
        {
            "type": seen.type,
            "addresses": list(seen.addresses),
            "neededBy": clients,
            "pods": [{"name": pod.name, "ready": pod.ready, "reason": pod.reason or None} for pod in seen.pods],
        },
    )


def _versions(mesh: Mesh, cluster: ObservedCluster, kubernetes: str) -> Part:
    declared = istio_of(mesh, mesh.cluster(cluster.name))
    default, wanted = default_revision(declared), {each.name: each.version for each in declared_revisions(declared)}
    if isinstance(cluster.istiods, Unknown):
        return Part("versions", State.SKIPPED, "unknown", (cluster.istiods.reason,), {"kubernetes": kubernetes})
    istio = sorted({each.version for each in cluster.istiods if each.version})
    gateway = sorted(_gateway_versions(cluster))
    present = sorted({(each.revision, each.version) for each in cluster.istiods if each.version})
    warnings = [
        f"istiod{_named(revision)} is {version}, {wanted.get(revision) or 'none'} is declared: `pulumi up`"
        for revision, version in present
        if version != wanted.get(revision)
    ]
    there = {revision for revision, _ in present}
    warnings += [
        f"there is no istiod of revision {name}: `pulumi up`" for name in wanted if there and name not in there
    ]
    injecting = sorted({version for revision, version in present if revision == default.name}) or istio
    warnings += [
        f"gateway proxies are {version}, istiod is {', '.join(injecting)}: restart the gateway"
        for version in gateway
        if istio and version not in injecting
    ]
    proxies = f", gateway {', '.join(gateway)}" if gateway else ""
    return Part(
        "versions",
        State.WARNING if warnings else State.OK if istio else State.SKIPPED,
        f"Istio {', '.join(istio) or 'unknown'}{proxies}",
        tuple(warnings) if istio else ("no istiod says its version",),
        {
            "istio": istio,
            "declared": default.version,
            "gateway": gateway,
            "kubernetes": kubernetes,
            "revisions": {
                name: sorted(v for r, v in present if r == name) for name in dict.fromkeys([*wanted, *sorted(there)])
            },
        },
    )


def _named(revision: str) -> str:
    return "" if revision == DEFAULT else f" of revision {revision}"


def _gateway_versions(cluster: ObservedCluster) -> set[str]:
    """As the proxies themselves say; of one that no istiod knows, the tag of its image."""
    if not isinstance(cluster.gateway, EastWestGateway) or isinstance(cluster.istiods, Unknown):
        return set()
    said = {p.proxy.partition(".")[0]: p.version for each in cluster.istiods for p in each.proxies}
    return {said.get(pod.name) or pod.version for pod in cluster.gateway.pods} - {""}


def _policy(in_step: InStep | None) -> Part:
    if in_step is None:
        return Part("policy", State.SKIPPED, "unknown", ("it was not compared",))
    if in_step.unknown:
        return Part("policy", State.SKIPPED, "unknown", (in_step.unknown,))
    different = len(in_step.different)
    return Part(
        "policy",
        State.FAILED if different else State.OK,
        f"{different} of {in_step.compared} not in step" if different else f"in step, {in_step.compared} objects",
        tuple(f"{each}: `spanmesh drift` shows it" for each in in_step.different),
        {"compared": in_step.compared, "notInStep": list(in_step.different)},
    )
