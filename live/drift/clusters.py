"""Drift of several clusters, all at once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from live.client import api_client
from live.drift import policy, releases
from live.drift.deviation import Deviation
from live.drift.helm_release import UnreadableRecordError
from live.drift.objects import Objects
from live.kubeconfig import ClusterAccess
from live.policy.api import Api
from live.reachability import UnreachableError, explained
from policy.document import Document
from policy.world import Placed
from topology.defaults import BASE_RELEASE, ISTIOD_RELEASE

CALLS = 4


@dataclass(frozen=True)
class ClusterDrift:
    """What one cluster says.

    Attributes:
        cluster: Istio's cluster name.
        unknown: why it cannot be told, cause and cure; empty where it can.
        compared: how many objects were held against each other.
        deviations: those that are not as they should be.
    """

    cluster: str
    unknown: str = ""
    compared: int = 0
    deviations: tuple[Deviation, ...] = ()


@dataclass(frozen=True)
class Expected:
    """What should be in the clusters of a stack.

    Attributes:
        stack: the stack's name.
        placed: its policy.
        releases: whether its clusters' Helm releases are this stack's, and not those of another stack of the mesh.
        istiods: by cluster, the names of its istiods' releases; of one that is not in it, the one without a revision.
    """

    stack: str
    placed: Sequence[Placed]
    releases: bool = True
    istiods: Mapping[str, Collection[str]] = field(default_factory=dict)

    def releases_in(self, cluster: str) -> tuple[str, ...]:
        """The Helm releases that a cluster should have, by name."""
        return (BASE_RELEASE, *self.istiods.get(cluster, (ISTIOD_RELEASE,)))


def drift_of(
    accesses: Mapping[str, ClusterAccess], expected: Expected, done: Callable[[ClusterDrift], None]
) -> list[ClusterDrift]:
    """Hold every cluster against what should be there; one that does not answer costs its own timeout, nothing else.

    Args:
        accesses: the clusters, by Istio's name.
        expected: what should be there.
        done: told of each cluster as it is done.

    Returns:
        In the order of ``accesses``.
    """
    found: dict[str, ClusterDrift] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(accesses))) as pool:
        futures = [pool.submit(_cluster, access, expected) for access in accesses.values()]
        for future in as_completed(futures):
            each = future.result()
            found[each.cluster] = each
            done(each)
    return [found[name] for name in accesses]


def _cluster(access: ClusterAccess, expected: Expected) -> ClusterDrift:
    documents = [each.document for each in expected.placed if access.name in each.clusters]
    try:
        with (
            explained(access, "reading the policy and the Helm releases"),
            api_client(access) as client,
            ThreadPoolExecutor(max_workers=CALLS) as pool,
        ):
            return _compared(access.name, Api(client), expected, documents, pool)
    except UnreachableError as error:
        return ClusterDrift(access.name, f"{error.cause}. {error.cure}")
    except UnreadableRecordError as error:
        return ClusterDrift(access.name, f"{error}. See `helm history -n istio-system`")


def _compared(
    name: str, api: Api, expected: Expected, documents: Sequence[Document], pool: ThreadPoolExecutor
) -> ClusterDrift:
    objects = Objects(api)
    count, found = releases.deviations(objects, pool, expected.releases_in(name)) if expected.releases else (0, [])
    live = policy.LivePolicy(api, objects, expected.stack)
    found += policy.deviations(live, documents, expected.stack, pool)
    return ClusterDrift(name, compared=count + len(documents), deviations=tuple(found))
