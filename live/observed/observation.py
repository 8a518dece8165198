"""All clusters of a mesh asked at once, and within each what is to be known of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from kubernetes import client

from health.observed import Observed, ObservedCluster, Unknown
from live.client import CONNECT_SECONDS, api_client
from live.credentials import credentials_end
from live.kubeconfig import ClusterAccess
from live.observed.asked import Asked
from live.observed.topics import TOPICS, Topic
from live.pods.port import PodPortError
from live.reachability import UnreachableError, explained
from topology import Mesh

# Of one cluster. More would not be sooner: the slowest is a handful of requests to istiod.
AT_ONCE = 4
# One that does not even say its version within this is as good as dead; nothing more is asked of it.
VERSION_SECONDS = (CONNECT_SECONDS, 5)
FORBIDDEN = 403
# A Date header has whole seconds, cut off.
HALF_A_SECOND = timedelta(seconds=0.5)


def observe(
    mesh: Mesh,
    accesses: Mapping[str, ClusterAccess],
    *,
    topics: Sequence[Topic] = TOPICS,
    done: Callable[[ObservedCluster], None] | None = None,
) -> Observed:
    """See what clusters hold, all at once; one that does not answer costs its own timeout, nothing else.

    Args:
        mesh: the declared mesh.
        accesses: the clusters to ask, by Istio's name.
        topics: what to ask of each besides its version and its clock.
        done: told of each cluster as it is done, from this thread.

    Returns:
        The clusters in the order of ``accesses``. What could not be had is Unknown, with the reason.
    """
    at = datetime.now(UTC)
    found: dict[str, ObservedCluster] = {}
    pool = ThreadPoolExecutor(max_workers=max(1, len(accesses)), thread_name_prefix="observe")
    try:
        futures = [pool.submit(_cluster, mesh, access, topics) for access in accesses.values()]
        for future in as_completed(futures):
            each = future.result()
            found[each.name] = each
            if done:
                done(each)
    finally:
        # Everything is done by now, or Ctrl-C was pressed: then nothing is begun, and nothing is waited for.
        pool.shutdown(wait=False, cancel_futures=True)
    return Observed(mesh, at, {name: found[name] for name in accesses})


def _cluster(mesh: Mesh, access: ClusterAccess, topics: Sequence[Topic]) -> ObservedCluster:
    started = time.monotonic()
    try:
        with explained(access, "reading its version"), api_client(access) as api:
            answered = _answer(access, api)
            facts = _facts(Asked(mesh, access, api), topics)
    except UnreachableError as error:
        unknown = Unknown(f"{error.cause}. {error.cure}", error.status)
        silent: dict[str, Any] = {topic.field: unknown for topic in topics}
        return ObservedCluster(access.name, unknown, clock=unknown, seconds=time.monotonic() - started, **silent)
    return replace(answered, **facts, seconds=time.monotonic() - started)


def _answer(access: ClusterAccess, api: client.ApiClient) -> ObservedCluster:
    """Version, clock and answer time; the connection is new, so its making counts."""
    sent, started = datetime.now(UTC), time.monotonic()
    version, _, headers = client.VersionApi(api).get_code_with_http_info(_request_timeout=VERSION_SECONDS)
    seconds = time.monotonic() - started
    ahead = parsedate_to_datetime(headers["Date"]) + HALF_A_SECOND - sent - timedelta(seconds=seconds / 2)
    return ObservedCluster(
        access.name,
        version.git_version,
        clock=ahead.total_seconds(),
        answered=seconds,
        credentials=credentials_end(access),
    )


def _facts(asked: Asked, topics: Sequence[Topic]) -> dict[str, Any]:
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix=f"observe-{asked.name}") as pool:
        return dict(zip((topic.field for topic in topics), pool.map(lambda t: _read(asked, t), topics), strict=True))


def _read(asked: Asked, topic: Topic) -> Any:
    try:
        with explained(asked.access, topic.what):
            return topic.read(asked)
    except UnreachableError as error:
        cure = topic.cure if error.status == FORBIDDEN else error.cure
        return Unknown(f"{error.cause}. {cure}", error.status)
    except PodPortError as error:
        return Unknown(str(error), error.status)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # What another version answers must not hide what the rest says.
        reason = f"{topic.what} gave what cannot be read: {type(error).__name__}: {error}"
        return Unknown(f"{reason}. Report it with the versions of Istio and Kubernetes")
