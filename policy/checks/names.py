"""Names that policy is for, and that clients in some cluster cannot resolve."""

from collections.abc import Iterator

from policy.checks.facts import Facts, Name
from policy.checks.hosts import Named, named
from policy.checks.routes import mapping
from policy.finding import Finding, Rule, at
from policy.hosts import service_of
from topology.defaults import istio_of

UNRESOLVED = Rule(
    "SM219",
    "Name that clients cannot resolve",
    "warning",
    "A client asks the DNS of its own cluster first: without a Service of that name there, it gets no address, "
    "whatever istiod knows of the other clusters",
    "Name the Service under `services:` of the mesh, which makes it where it does not run; or narrow the policy",
    "https://istio.io/latest/docs/ops/deployment/deployment-models/#dns-with-multiple-clusters",
)
RULES = (UNRESOLVED,)


def check(facts: Facts) -> Iterator[Finding]:
    """Services that a cluster with clients lacks and reads of another one; none where proxies answer DNS."""
    lacking: dict[Name, dict[str, list[str]]] = {}
    first: dict[Name, Named] = {}
    for name in named(facts):
        service = service_of(name.host)
        if name.role != "policy" or service is None or service in facts.promised:
            continue
        for cluster in facts.where(name.placed):
            live = facts.world.live.get(cluster)
            there = facts.services(cluster, service)
            if live is None or cluster in there or not there or facts.entries(cluster, name.host):
                continue
            if any(pods.injected for pods in live.pods) and not _proxies_answer(facts, cluster):
                first.setdefault(service, name)
                lacking.setdefault(service, {})[cluster] = list(there)
    for service, clusters in lacking.items():
        servers = dict.fromkeys(server for there in clusters.values() for server in there)
        message = f"Service {service[0]}/{service[1]} is in {', '.join(servers)} and not in {', '.join(clusters)}"
        document, path = first[service].placed.document, first[service].path
        yield at(document, path, UNRESOLVED, f"{message}, where there are clients", tuple(clusters))


def _proxies_answer(facts: Facts, cluster: str) -> bool:
    """Whether sidecars resolve what istiod knows (https://istio.io/latest/docs/ops/configuration/traffic-management/dns-proxy/)."""
    mesh = facts.world.mesh
    if mesh is None:
        return False
    config = mapping(istio_of(mesh, mesh.cluster(cluster)).values.get("meshConfig"))
    metadata = mapping(mapping(config.get("defaultConfig")).get("proxyMetadata"))
    return str(metadata.get("ISTIO_META_DNS_CAPTURE")).lower() == "true"
