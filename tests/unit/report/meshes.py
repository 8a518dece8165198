"""Meshes as they might be seen: two clusters where all is well or some is not, and twelve with faults of many kinds."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from health.check import Cause, Check, Result, State, found, ok, skipped
from health.drill import Drill, Sample
from health.matrix import Cell, Matrix, Row
from health.observed import (
    Certificate,
    EastWestGateway,
    GatewayPod,
    Istiod,
    IstiodSettings,
    NetworkGateway,
    Observed,
    ObservedCluster,
    ProxySync,
    Reader,
    RemoteCluster,
    RemoteKubeconfig,
    Trust,
    Unknown,
)
from policy.finding import Finding, Rule
from report import Contents, Drift, DriftedObject
from topology import Mesh, load_mesh

AT = datetime(2026, 11, 23, 3, 20, 5, tzinfo=UTC)
REGIONS = ("cn-north-4", "cn-east-3", "cn-south-1", "cn-southwest-2", "us-east-1", "europe-west3")
SYNCED = {"CDS": "SYNCED", "LDS": "SYNCED", "EDS": "SYNCED", "RDS": "SYNCED"}
IDENTITY = "spiffe://cluster.local/ns/spanmesh-probe/sa/probe"


def _cause(code: str, name: str, severity: str = "error") -> Cause:
    return Cause(
        code,
        name,
        "error" if severity == "error" else "warning",
        symptom=f"Requests across clusters fail with 503: {name}",
        cause=f"{name} in the cluster that is named",
        cure="Run `pulumi up`, then `spanmesh verify`",
        source="https://istio.io/latest/docs/setup/install/multicluster/verify/",
    )


DEAD = _cause("SM611", "API server does not answer")
NO_SECRET = _cause("SM621", "Remote Secret is missing")
TOKEN = _cause("SM624", "Token is refused")
NO_ADDRESS = _cause("SM641", "Gateway without address")
SLOW = _cause("SM695", "Slow answers", "warning")
NO_ANSWER = _cause("SM691", "No answer")
API = Check("api-servers", "Every API server answers", (DEAD,))
SECRETS = Check("remote-secrets", "Every istiod has a kubeconfig of every cluster that it reads", (NO_SECRET, TOKEN))
GATEWAYS = Check("gateways", "Every east-west gateway has an address and a ready pod", (NO_ADDRESS,))
TRUST = Check("trust", "All clusters trust one root", ())
TRAFFIC = Check("traffic", "Every cluster is answered by every other one", (NO_ANSWER, SLOW))
RULE = Rule(
    "SM210", "Endpoints in one cluster only", "warning", "All go there", "Run it everywhere", "https://istio.io/"
)


def mesh_of(count: int, networks: int | None = None) -> Mesh:
    """Clusters on as many networks, or on fewer where ``networks`` is given."""
    return load_mesh(
        {
            "istio": {"version": "1.30.5"},
            "clusters": [
                {
                    "name": f"cluster{n}",
                    "region": REGIONS[(n - 1) % len(REGIONS)],
                    "network": f"network{(n - 1) % (networks or count) + 1}",
                    "apiServer": f"https://198.51.100.{10 + n}:6443",
                }
                for n in range(1, count + 1)
            ],
        }
    )


def certificate(subject: str, issuer: str, age_days: float, left_days: float) -> Certificate:
    """A certificate of this age, and with so much of its life left."""
    begins, ends = AT - timedelta(days=age_days), AT + timedelta(days=left_days)
    return Certificate(subject, issuer, f"{abs(hash((subject, issuer))):064x}"[-64:], begins, ends)


ROOT = certificate("CN=Root CA,O=mesh1", "CN=Root CA,O=mesh1", 40, 3610)


def cluster(mesh: Mesh, number: int) -> ObservedCluster:
    """One cluster where all is as it should be."""
    name = f"cluster{number}"
    others = [c.name for c in mesh.clusters if c.name != name]
    address = f"198.51.100.{48 + number * 16}"
    remotes = (
        RemoteCluster(name, "", "synced"),
        *(RemoteCluster(o, "istio-system/istio-remote-clusters", "synced") for o in others),
    )
    proxies = tuple(
        ProxySync(pod, name, "sidecar", "1.30.5", SYNCED)
        for pod in ("helloworld-v1-7d9c-x2v.sample", "sleep-5f6-abc.sample", "istio-eastwestgateway-1.istio-system")
    )
    istiod = Istiod(
        pod=f"istiod-6c8bb5c4d-{number:05d}",
        ready=True,
        version="1.30.5",
        started=AT - timedelta(hours=30),
        remotes=remotes,
        gateways=tuple(
            NetworkGateway(f"network{n}", f"cluster{n}", f"198.51.100.{48 + n * 16}", 15443) for n in (1, 2)
        ),
        proxies=proxies,
    )
    intermediate = certificate(f"CN=Intermediate CA {name},O=mesh1", ROOT.subject, 40, 690 - 3 * number)
    own = certificate(f"CN=istiod.istio-system.svc,O={name}", intermediate.subject, 2, 363)
    return ObservedCluster(
        name=name,
        kubernetes="v1.34.2",
        clock=0.02,
        settings=IstiodSettings(name, mesh.cluster(name).network, "mesh1", "cluster.local", 1),
        istiods=(istiod,),
        trust=Trust((own, intermediate, ROOT), (ROOT,)),
        remote=tuple(
            RemoteKubeconfig("istio-remote-clusters", o, f"https://{o}:6443", token=f"{name}-{o}") for o in others
        ),
        readers=tuple(
            Reader(o, f"istio-reader-{o}", AT - timedelta(days=40), AT.date(), None, f"{o}-{name}") for o in others
        ),
        gateway=EastWestGateway(
            "LoadBalancer",
            (address,),
            (("status-port", 15021), ("tls", 15443)),
            mesh.cluster(name).network,
            ("198.51.100.0/24",),
            (GatewayPod(f"istio-eastwestgateway-{number}", True, node=f"node-{number}", version="1.30.5"),),
        ),
        seconds=0.8,
    )


def traffic(mesh: Mesh, sent: int = 60, seed: int = 7) -> dict[str, Row]:
    """As many requests of every cluster, answered by all of them alike."""
    luck = random.Random(seed)  # noqa: S311 - no secret
    rows = {}
    names = [c.name for c in mesh.clusters]
    for client in names:
        chosen = Counter(luck.choice(names) for _ in range(sent))
        cells = {}
        for server, count in chosen.items():
            middle = 1.4 if server == client else 18 + 9 * abs(names.index(server) - names.index(client))
            near = mesh.cluster(client).network == mesh.cluster(server).network
            hop = "10.244.0.6:5000" if near else f"198.51.100.{48 + (names.index(server) + 1) * 16}:15443"
            cells[server] = Cell(
                tuple(middle * luck.lognormvariate(0, 0.35) for _ in range(count)),
                {hop: count},
                frozenset() if near else frozenset({hop}),
                IDENTITY,
                IDENTITY,
                {f"probe-{server}": count},
            )
        rows[client] = Row(client, sent, cells)
    return rows


def results_of(mesh: Mesh) -> list[Result]:
    """Everything is ok."""
    names = [c.name for c in mesh.clusters]
    pairs = [(a, b) for a in names for b in names if a != b]
    return [
        *(ok(check, name) for check in (API, GATEWAYS, TRUST) for name in names),
        *(ok(check, a, b) for check in (SECRETS, TRAFFIC) for a, b in pairs),
    ]


def failover() -> Drill:
    """The pods of cluster1 are killed after 3 s and are back after 9 s."""
    samples = []
    for n in range(240):
        at = n * 0.05
        if 3.0 <= at < 3.4:
            samples.append(Sample(at, "", 100.0))
        else:
            samples.append(Sample(at, "cluster2" if 3.4 <= at < 9.2 else "cluster1", 2.0))
    marks = ((3.0, "pods of cluster1 killed"), (9.0, "pods ready again"))
    return Drill("failover", "The backends of cluster1 are killed", "cluster1", "cluster2", tuple(samples), marks)


def healthy(count: int = 2) -> Contents:
    """All is well."""
    mesh = mesh_of(count)
    clusters = {f"cluster{n}": cluster(mesh, n) for n in range(1, count + 1)}
    observed = Observed(mesh, AT, clusters, traffic(mesh), (failover(),))
    drift = {c.name: Drift(compared=14) for c in mesh.clusters}
    return Contents("lab", observed, results_of(mesh), drift, seconds=4.2)


def faulty() -> Contents:
    """Two clusters: cluster2's gateway has no address, cluster1 cannot reach it, and an object was changed by hand."""
    fine = healthy()
    second = fine.observed.clusters["cluster2"]
    assert isinstance(second.gateway, EastWestGateway)
    waiting = replace(second.gateway, addresses=(), events=("SyncLoadBalancerFailed: quota of elastic IPs exceeded",))
    seen = {**fine.observed.clusters, "cluster2": replace(second, gateway=waiting, clock=-42.0)}
    results = [
        each
        for each in fine.results
        if (each.check, each.cluster, each.peer) not in ((GATEWAYS, "cluster2", ""), (TRAFFIC, "cluster1", "cluster2"))
    ]
    results += [
        found(
            GATEWAYS,
            NO_ADDRESS,
            "Service istio-system/istio-eastwestgateway has no address: quota of elastic IPs exceeded",
            "cluster2",
            cure="Raise the quota of elastic IPs in cn-east-3, or release one that nobody uses",
        ),
        found(TRAFFIC, NO_ANSWER, "29 of 60 requests were answered with 503 (UH)", "cluster1", "cluster2"),
        found(TRAFFIC, SLOW, "p99 is 812 ms", "cluster2", "cluster1"),
        skipped(TRUST, "secrets: the caller may not read ConfigMaps of namespace sample", "cluster2"),
    ]
    assert not isinstance(fine.observed.matrix, Unknown)
    rows: dict[str, Row] = dict(fine.observed.matrix)
    first = rows["cluster1"]
    failures = Counter({"503 (UH) no healthy upstream": 29})
    rows["cluster1"] = Row("cluster1", 60, {"cluster1": replace(first.cells["cluster1"], client="")}, failures)
    difference = "--- declared\n+++ live\n@@ -4 +4 @@\n-      weight: 20\n+      weight: 100\n"
    objects = (
        DriftedObject(
            "different", "VirtualService sample/helloworld", "policies/a.yaml:18", "Run `pulumi up`", difference
        ),
    )
    drift = {"cluster1": Drift(compared=14, objects=objects), "cluster2": Drift(compared=14)}
    finding = Finding(
        RULE,
        "policies/a.yaml",
        18,
        "VirtualService sample/helloworld",
        "subset v1 has endpoints in cluster1 only",
        ("cluster2",),
    )
    return replace(
        fine,
        observed=replace(fine.observed, clusters=seen, matrix=rows),
        results=results,
        drift=drift,
        findings=(finding,),
    )


def twelve() -> Contents:
    """Twelve clusters, two of them on one network: one dead, a Secret missing, slow answers, rights missing."""
    mesh = mesh_of(12, networks=11)
    dead = ObservedCluster(
        "cluster7", Unknown("https://198.51.100.17:6443: no route to host. Is the VPN up?"), seconds=5
    )
    clusters: dict[str, ObservedCluster] = {}
    for n in range(1, 13):
        clusters[f"cluster{n}"] = dead if n == 7 else cluster(mesh, n)
    late = clusters["cluster4"]
    clusters["cluster4"] = replace(late, gateway=Unknown("the caller may not list Services of istio-system"))
    results: list[Result] = []
    for each in results_of(mesh):
        if "cluster7" in (each.cluster, each.peer):
            continue
        results.append(each)
    reason = "follows from SM611 at cluster7: its API server does not answer"
    results.append(found(API, DEAD, "https://198.51.100.17:6443: no route to host", "cluster7", cure="Is the VPN up?"))
    results += [skipped(check, reason, "cluster7") for check in (GATEWAYS, TRUST)]
    for c in mesh.clusters:
        if c.name != "cluster7":
            results += [skipped(SECRETS, reason, "cluster7", c.name)]
            results += [found(TRAFFIC, NO_ANSWER, "no answer of cluster7", c.name, "cluster7")]
    results = [r for r in results if (r.check, r.cluster, r.peer) != (SECRETS, "cluster3", "cluster9")]
    results.append(found(SECRETS, NO_SECRET, "istio-remote-clusters has no key cluster9", "cluster3", "cluster9"))
    results.append(found(TRAFFIC, SLOW, "p99 is 1204 ms", "cluster10", "cluster2"))
    rows = traffic(mesh, sent=240)
    rows["cluster7"] = Row("cluster7", reason="the probe could not be made: no route to host")
    return Contents(
        "prod",
        Observed(mesh, AT, clusters, rows, (failover(),)),
        results,
        {name: Drift(unknown="no route to host") if name == "cluster7" else Drift(compared=31) for name in clusters},
        seconds=9.7,
    )


HOSTILE = "</script><script>window.stolen=1</script><img src=x onerror=window.stolen=2>\"'{{7*7}}<!--"


def hostile() -> Contents:
    """Two clusters of which the second one answers with markup wherever it can."""
    fine = faulty()
    second: Any = fine.observed.clusters["cluster2"]
    gateway = replace(second.gateway, addresses=(HOSTILE,), type=HOSTILE, events=(HOSTILE,), source_ranges=(HOSTILE,))
    istiod = replace(second.istiods[0], pod=HOSTILE, version=HOSTILE, reason=HOSTILE, ready=False)
    trust = Trust((certificate(HOSTILE, HOSTILE + "2", 1, 3),) * 2, (certificate(HOSTILE, HOSTILE, 1, 3),))
    remote = (RemoteKubeconfig(HOSTILE, HOSTILE, HOSTILE),)
    bad = replace(second, kubernetes=HOSTILE, gateway=gateway, istiods=(istiod,), trust=trust, remote=remote)
    unknown = replace(fine.observed.clusters["cluster1"], trust=Unknown(HOSTILE), gateway=Unknown(HOSTILE))
    results = [
        *(replace(each, message=HOSTILE, cure=HOSTILE) for each in fine.results),
        replace(found(TRAFFIC, replace(NO_ANSWER, source="javascript:alert(1)"), "x", HOSTILE, HOSTILE), cure="y"),
        skipped(TRAFFIC, HOSTILE, HOSTILE),
    ]
    cell = Cell((1.0, 2.0), {HOSTILE: 2}, frozenset({HOSTILE}), HOSTILE, HOSTILE, {HOSTILE: 2})
    rows: Matrix = {
        "cluster1": Row("cluster1", 3, {"cluster2": cell, HOSTILE: cell}, Counter({HOSTILE: 1})),
        "cluster2": Row("cluster2", reason=HOSTILE),
    }
    objects = (DriftedObject(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),)
    drift = {"cluster1": Drift(compared=1, objects=objects), "cluster2": Drift(unknown=HOSTILE)}
    drill = Drill(
        "failover",
        HOSTILE,
        HOSTILE,
        HOSTILE,
        (Sample(0, HOSTILE, 1), Sample(1, "", 1)),
        ((0.5, HOSTILE),),
        HOSTILE,
        False,
    )
    return Contents(
        HOSTILE,
        Observed(fine.observed.mesh, AT, {"cluster1": unknown, "cluster2": bad}, rows, (drill,)),
        results,
        drift,
        [replace(fine.findings[0], message=HOSTILE, subject=HOSTILE, file=HOSTILE, acknowledged=HOSTILE)],
        notes=(HOSTILE,),
    )


ALL_STATES = tuple(State)
