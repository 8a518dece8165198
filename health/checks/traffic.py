"""SM69x: what real requests between clusters got, which way they took, and who proved to be who."""

from collections.abc import Iterator

from health.check import Cause, Check, Result, found, ok, skipped
from health.examination import Examined
from health.matrix import PROBE_ACCOUNT, PROBE_NAMESPACE, Cell, Matrix, Row, needed
from health.observed import Observed, Unknown
from topology import Mesh
from topology.facts import links

DIAGNOSTICS = "https://istio.io/latest/docs/ops/diagnostic-tools/multicluster/"
STRICT = "STRICT"
DENIED = "403 "

ABSENT = Cause(
    "SM690",
    "the probe does not run",
    "error",
    symptom="Pods of this cluster do not start, get no sidecar, or do not become ready",
    cause="Namespace, injection, image, quota or admission keep the probe's pods from starting; the message has what "
    "Kubernetes says",
    cure="Cure what the message names: other workloads meet it as well, unless it is a rule against the probe's "
    "namespace",
    source="https://istio.io/latest/docs/ops/common-problems/injection/",
)
NO_ENDPOINT = Cause(
    "SM691",
    "client's proxy knows no endpoint of a linked cluster",
    "error",
    symptom="All requests are answered by other clusters; a Service that runs only there answers 503",
    cause="istiod of the client's cluster has not read the Service there, or has dropped its endpoints: pods without a "
    "sidecar, another port name, a network without a gateway, a DestinationRule for the probe's host",
    cure="`spanmesh diagnose` names what is wrong with remote Secrets, istiods and gateways; "
    "`istioctl proxy-config endpoints` shows what the proxy has",
    source=DIAGNOSTICS,
)
NO_ANSWER = Cause(
    "SM692",
    "no answer from a linked cluster",
    "error",
    symptom="503 with `upstream connect error`, or answers from other clusters only, after retries",
    cause="The client's proxy has an endpoint there, and no connection to it comes about or no request gets an answer: "
    "port 15443 is closed, a load balancer ends TLS, the roots differ, the gateway or the server's proxy is down",
    cure="Open port 15443 of the gateway to the client's cluster; `spanmesh diagnose --probe` tells closed ports, "
    "foreign certificates and roots apart",
    source=DIAGNOSTICS,
)
FAILED = Cause(
    "SM693",
    "requests fail",
    "error",
    symptom="Some requests fail although every cluster answers others",
    cause="What the message says: a proxy or a gateway drops connections, or a server is not reached",
    cure="The access log of the proxies has the response flags of these requests; `spanmesh explain` follows one",
    source="https://istio.io/latest/docs/ops/common-problems/network-issues/",
)
DENY = Cause(
    "SM694",
    "policy refuses the probe",
    "error",
    symptom="403 RBAC: access denied",
    cause="An AuthorizationPolicy of the mesh, for example one that allows nothing, does not allow the probe's client: "
    "its requests arrive, and nothing else is wrong with the way",
    cure=f"If the probe shall see more than that, allow the principals `*/ns/{PROBE_NAMESPACE}/sa/{PROBE_ACCOUNT}` by "
    "a policy in istio-system",
    source="https://istio.io/latest/docs/ops/common-problems/security-issues/",
)
UNLINKED = Cause(
    "SM695",
    "answers from a cluster that is not linked",
    "warning",
    symptom="Requests reach a cluster that the stack file does not link",
    cause="The client's istiod reads that cluster by a Secret of somebody else, or a gateway of its network passes "
    "requests on to it",
    cure="Remove the remote Secret, or declare the link",
    source=DIAGNOSTICS,
)
WRONG_WAY = Cause(
    "SM696",
    "requests take the wrong way",
    "error",
    symptom="Requests to another network time out, or reach foreign pods that have the same address; or those within "
    "one network make a detour",
    cause="istiod knows no gateway for the other network and gives out raw pod addresses, or takes one network for two",
    cure="See that the gateway's Service has an address and the network's label, and istio-system the label of its own "
    "network; `pulumi up` sets both",
    source="https://github.com/istio/istio/issues/49412",
)
LOSSY = Cause(
    "SM697",
    "connections fail, and retries hide it",
    "warning",
    symptom="Latency now and then; errors as soon as a request cannot be retried",
    cause="Some of the connections to a cluster do not come about: one of several gateway addresses or pods does not "
    "serve",
    cure="Look at every address and pod of that cluster's gateway; load balancers need their health checks on 15021",
    source="https://istio.io/latest/docs/concepts/traffic-management/#network-resilience-and-testing",
)
UNPROVEN = Cause(
    "SM698",
    "peer proves no identity, or another one",
    "error",
    symptom="Requests are answered, and policy that names principals does not match",
    cause="The connection is not mutual TLS, or certificates carry another trust domain than declared",
    cure="Look for a DestinationRule or PeerAuthentication that turns mutual TLS off, and compare the `trustDomain` of "
    "all clusters",
    source="https://istio.io/latest/docs/concepts/security/#mutual-tls-authentication",
)
PLAIN = Cause(
    "SM699",
    "plain text is let in under STRICT",
    "error",
    symptom="Clients without a sidecar reach servers although PeerAuthentication says STRICT",
    cause="The servers' proxies do not have the policy: istiod is behind, or their traffic is not captured",
    cure="`istioctl proxy-status` shows whether proxies are in step; look for ports that are excluded from capture",
    source="https://istio.io/latest/docs/tasks/security/authentication/authn-policy/",
)

PROBE = Check("probe", "the probe runs in every cluster", (ABSENT,), ("api-servers", "istiods"), probe=True)
BEFORE = ("probe", "istiods", "remote-secrets", "remote-tokens", "remote-sync", "trust-chains", "trust-roots")
TRAFFIC = Check(
    "traffic",
    "the clients of every cluster are answered by every linked cluster",
    (NO_ENDPOINT, NO_ANSWER, FAILED, DENY, UNLINKED, LOSSY),
    BEFORE,
    probe=True,
)
WAY = Check(
    "traffic-way",
    "requests to other networks go through gateways, those within one go straight to pods",
    (WRONG_WAY,),
    ("probe", "identity"),
    probe=True,
)
IDENTITIES = Check(
    "peer-identities",
    "clients and servers prove who they are, in the declared trust domain",
    (UNPROVEN,),
    ("probe",),
    probe=True,
)
PLAIN_TEXT = Check("plain-text", "plain text is refused where mutual TLS is STRICT", (PLAIN,), ("probe",), probe=True)


def _rows(observed: Observed, check: Check) -> Iterator[Row | Result]:
    if isinstance(observed.matrix, Unknown):
        yield skipped(check, observed.matrix.reason)
        return
    yield from observed.matrix.values()


def _probe(observed: Observed) -> Iterator[Result]:
    for row in _rows(observed, PROBE):
        if isinstance(row, Result):
            yield row
        elif row.reason:
            yield found(PROBE, ABSENT, row.reason, row.client)
        else:
            yield ok(PROBE, row.client, message=f"{row.sent} requests sent")


def _traffic(observed: Observed) -> Iterator[Result]:
    for row in _rows(observed, TRAFFIC):
        if isinstance(row, Result):
            yield row
        elif row.reason:
            yield skipped(TRAFFIC, f"no request could be sent: {row.reason}", row.client)
        else:
            yield from _of_client(row, wanted(observed.mesh, row.client), _matrix(observed))


def wanted(mesh: Mesh, client: str) -> list[str]:
    """The clusters that may answer the client of one: itself, and those whose endpoints its istiod reads."""
    return [client, *(link.peer.name for link in links(mesh) if link.reader.name == client)]


def _matrix(observed: Observed) -> Matrix:
    return {} if isinstance(observed.matrix, Unknown) else observed.matrix


def _of_client(row: Row, servers: list[str], matrix: Matrix) -> Iterator[Result]:
    results = [_of_pair(row, server, servers, matrix) for server in servers]
    yield from results
    for name in sorted(row.cells.keys() - set(servers)):
        if answers := row.cells[name].answers:
            told = f"{answers} of {row.sent} requests were answered by {name}, which {row.client} is not linked with"
            yield found(TRAFFIC, UNLINKED, told, row.client, name)
    if row.failures and all(each.cause in (None, LOSSY) for each in results):
        cause = DENY if all(text.startswith(DENIED) for text in row.failures) else FAILED
        yield found(TRAFFIC, cause, f"{row.failures.total()} of {row.sent} requests failed: {_said(row)}", row.client)


def _of_pair(row: Row, server: str, servers: list[str], matrix: Matrix) -> Result:
    client, cell = row.client, row.cells.get(server, Cell())
    if server not in matrix:
        return skipped(TRAFFIC, f"no probe was sent to {server}", client, server)
    if reason := matrix[server].reason:
        return skipped(TRAFFIC, f"no probe serves in {server}: {reason}", client, server)
    if cell.answers:
        return _answered(row, server, cell)
    if cell.priority is None:
        told = f"the proxy of {client}'s client has no endpoint of {server}; its {row.sent} requests went elsewhere"
        return found(TRAFFIC, NO_ENDPOINT, told, client, server)
    return _unanswered(row, server, cell, servers)


def _answered(row: Row, server: str, cell: Cell) -> Result:
    told = f"{cell.answers} of {row.sent} requests, p50 {cell.quantile(0.5):.1f} ms, p99 {cell.quantile(0.99):.1f} ms"
    told += f", {way(cell)}" if cell.hops else ""
    if cell.refused:
        told += f"; {cell.refused} of {cell.connections} connections there failed"
        return found(TRAFFIC, LOSSY, told, row.client, server)
    return ok(TRAFFIC, row.client, server, told)


def way(cell: Cell) -> str:
    """``gateway 198.51.100.80:15443`` or ``pod 10.244.0.7:8080``, of every hop."""
    return ", ".join(f"{'gateway' if hop in cell.gateways else 'pod'} {hop}" for hop in sorted(cell.hops))


def _unanswered(row: Row, server: str, cell: Cell, servers: list[str]) -> Result:
    nearer = [
        name
        for name, other in row.cells.items()
        if other.answers and other.priority is not None and other.priority < (cell.priority or 0)
    ]
    if nearer and not cell.hops:
        # Only the nearest answer where locality load balancing is on: https://istio.io/latest/docs/ops/diagnostic-tools/multicluster/#locality-load-balancing
        told = f"in reserve: locality load balancing sends all requests to {', '.join(nearer)} while that is healthy"
        return ok(TRAFFIC, row.client, server, told)
    if row.sent < needed(len(servers)) and not cell.hops:
        few = f"{row.sent} requests are too few to expect an answer of each of {len(servers)} clusters"
        return skipped(TRAFFIC, f"{few}: {needed(len(servers))} are enough", row.client, server)
    where = f" to {way(cell)}" if cell.hops else ""
    told = f"none of {row.sent} requests was answered by {server}: {sum(cell.hops.values())} were sent there{where}"
    said = f"; {_said(row)}" if row.failures else ""
    if row.failures and not cell.refused and all(text.startswith(DENIED) for text in row.failures):
        return found(TRAFFIC, DENY, told + said, row.client, server)
    told += f", and {cell.refused} of {cell.connections} connections did not come about"
    return found(TRAFFIC, NO_ANSWER, told + said, row.client, server)


def _said(row: Row) -> str:
    return "; ".join(f"{count} x {text}" for text, count in row.failures.most_common(3))


def _way(observed: Observed) -> Iterator[Result]:
    network = {cluster.name: cluster.network for cluster in observed.mesh.clusters}
    for row in _rows(observed, WAY):
        if isinstance(row, Result):
            yield row
            continue
        for server, cell in _cells(row, observed.mesh):
            across = network[server] != network[row.client]
            wrong = [hop for hop in cell.hops if (hop in cell.gateways) != across]
            if not cell.hops:
                continue
            if wrong and across:
                told = f"requests to {server} on {network[server]} go to the raw address of a pod: {', '.join(wrong)}"
                yield found(WAY, WRONG_WAY, told, row.client, server)
            elif wrong:
                told = f"{server} is on the same network {network[server]}, and is asked through gateway {wrong[0]}"
                yield found(WAY, WRONG_WAY, told, row.client, server)
            else:
                yield ok(WAY, row.client, server, way(cell))


def _cells(row: Row, mesh: Mesh) -> list[tuple[str, Cell]]:
    return [(each.name, row.cells[each.name]) for each in mesh.clusters if each.name in row.cells]


def _identities(observed: Observed) -> Iterator[Result]:
    expected = f"spiffe://{observed.mesh.trust_domain}/ns/{PROBE_NAMESPACE}/sa/{PROBE_ACCOUNT}"
    for row in _rows(observed, IDENTITIES):
        if isinstance(row, Result):
            yield row
            continue
        for server, cell in _cells(row, observed.mesh):
            if not cell.answers:
                continue
            if cell.client != expected:
                told = f"the server's proxy in {server} was shown {cell.client or 'no certificate'} by the client"
            elif cell.server != expected:
                told = f"the server in {server} stands as {cell.server or 'nobody'}"
            else:
                yield ok(IDENTITIES, row.client, server, f"client and server: {expected}")
                continue
            yield found(IDENTITIES, UNPROVEN, f"{told}, where {expected} is expected", row.client, server)


def _plain_text(observed: Observed) -> Iterator[Result]:
    for row in _rows(observed, PLAIN_TEXT):
        if isinstance(row, Result):
            yield row
        elif row.reason:
            yield skipped(PLAIN_TEXT, row.reason, row.client)
        elif row.plain_text is None:
            yield skipped(
                PLAIN_TEXT, "PeerAuthentication cannot be read: see docs/verification-rights.yaml", row.client
            )
        elif row.plain_text.mode != STRICT:
            told = (
                f"mutual TLS is {row.plain_text.mode} for namespace {PROBE_NAMESPACE}, not STRICT: plain text is let in"
            )
            yield skipped(PLAIN_TEXT, told, row.client)
        elif row.plain_text.answered:
            told = f"a client without a sidecar was answered ({row.plain_text.said}) although mutual TLS is STRICT"
            yield found(PLAIN_TEXT, PLAIN, told, row.client)
        else:
            yield ok(PLAIN_TEXT, row.client, message=f"refused: {row.plain_text.said}")


EXAMINED = (
    Examined(PROBE, _probe),
    Examined(TRAFFIC, _traffic),
    Examined(WAY, _way),
    Examined(IDENTITIES, _identities),
    Examined(PLAIN_TEXT, _plain_text),
)
