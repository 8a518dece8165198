"""What the sample's proxies count of the connections between them: failures that a retry hid from the client as well.

Istio has the client's proxy send a request again, to another endpoint, when it could not connect or a handshake failed
(https://istio.io/latest/docs/concepts/traffic-management/#retries). So a client with no failed request proves nothing
of the connections by itself.
"""

import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import quote

from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.pods.port import ENVOY_ADMIN, pod_http
from live.pods.proxy_container import proxy_container
from live.policy.api import PODS, Api

ANNOTATION, MATCHER = "proxy.istio.io/config", "proxyStatsMatcher"
# Istio up to 1.22 writes the name of a statistic behind `.`, later ones behind `;.`.
CLIENT = re.compile(r"^cluster\.outbound\|5000\|[^|]*\|helloworld\.[^:;]*;?\.(?P<name>(upstream_(cx|rq)_|ssl\.).*): ")
SERVER = re.compile(r"^(?P<name>listener)\.0\.0\.0\.0_15006\.(?P<rest>ssl\..*): ")
FILTER = r"^cluster\.outbound\|5000\||^listener\.0\.0\.0\.0_15006\.ssl\."
FAILURES = re.compile(r"upstream_cx_connect_fail|upstream_rq_retry|(listener\.)?ssl\.(fail_verify_.*|connection_error)")
OPENED = "upstream_cx_total"
HANDSHAKES = "ssl.handshake"
RESUMED = "ssl.session_reused"

Counts = Mapping[str, Mapping[str, int]]
"""By ``cluster/pod``, what its proxy counts, by Envoy's names: ``listener.ssl...`` as server, the others as client."""


class NoCountsError(Exception):
    """Proxies do not count the connections of the sample."""


def connection_counts(accesses: Mapping[str, ClusterAccess], namespace: str) -> Counts:
    """What every proxy of the sample has counted since it began.

    Args:
        accesses: the clusters, by Istio's name.
        namespace: of the sample.

    Raises:
        NoCountsError: a proxy does not count them.
        PodPortError: a proxy does not answer.
    """
    with ThreadPoolExecutor(max_workers=len(accesses)) as pool:
        found = pool.map(partial(_of_cluster, namespace=namespace), accesses.values())
        return {name: counts for each in found for name, counts in each.items()}


def counted_between(before: Counts, after: Counts) -> Counter[str]:
    """What all proxies together counted between two looks; of a proxy that is gone nothing, of a new one all.

    Args:
        before: the earlier look.
        after: the later one.
    """
    total: Counter[str] = Counter()
    for pod, counts in after.items():
        total.update(counts)
        total.subtract(before.get(pod, {}))
    return total


def hidden_failures(counts: Mapping[str, int]) -> dict[str, int]:
    """What was counted of connections that failed and requests that were sent again; empty where nothing was."""
    return {name: number for name, number in sorted(counts.items()) if number and FAILURES.fullmatch(name)}


def read_counts(statistics: str) -> Counter[str]:
    """The connections to helloworld of one proxy, from what Envoy's ``/stats`` says, subsets taken together."""
    counts: Counter[str] = Counter()
    for line in statistics.splitlines():
        value = line.rpartition(": ")[2]
        if not value.isdigit():
            continue
        if found := CLIENT.match(line):
            counts[found["name"]] += int(value)
        elif found := SERVER.match(line):
            counts[f"{found['name']}.{found['rest']}"] += int(value)
    return counts


def _of_cluster(access: ClusterAccess, namespace: str) -> dict[str, Counter[str]]:
    with api_client(access) as api:
        pods = list(Api(api).list(PODS, namespace, "app in (helloworld, sleep)"))
    found = {}
    for pod in pods:
        metadata = pod["metadata"]
        name = metadata["name"]
        if "deletionTimestamp" in metadata or (pod.get("status") or {}).get("phase") != "Running":
            continue
        if proxy_container(pod) is None:
            continue
        # Before the first connection Envoy lists nothing: only the annotation tells this from not counting.
        if MATCHER not in (metadata.get("annotations") or {}).get(ANNOTATION, ""):
            raise NoCountsError(
                f"the proxy of pod {namespace}/{name} in cluster {access.name} does not count its connections to "
                f"helloworld: no {MATCHER} in its annotation {ANNOTATION}. `pulumi up` of this version makes it so"
            )
        with pod_http(access, name, namespace, ENVOY_ADMIN) as http:
            counts = read_counts(http.text(f"/stats?filter={quote(FILTER)}"))
        found[f"{access.name}/{name}"] = counts
    return found
