"""Helm's releases of the mesh held against what is live: Pulumi does not look behind a release's record."""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

from live.drift.comparison import Comparison, Manner, Path, compare
from live.drift.deviation import Deviation
from live.drift.helm_release import HelmRelease, helm_release
from live.drift.objects import Objects
from live.helm_ownership import ownership_annotations
from live.policy.api import Kind
from topology.defaults import BASE_RELEASE, NAMESPACE
from topology.revisions import is_istiod

RECORDS = Kind("", "v1", "Secret", "secrets")
AUTOSCALERS = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
WEBHOOKS = {"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}
MENDS = "`pulumi up` puts it right"
NO_RECORD = (
    "See `helm history {release} -n {namespace}`; where an update broke off, `spanmesh repair`, then `pulumi up`"
)
OLD_CRD = (
    "Helm never changes what stands in a chart's folder crds/: `kubectl apply --server-side --force-conflicts -f` that "
    "folder of the chart, or `spanmesh adopt` and an Istio of 1.24 or later, whose chart has them as templates"
)


@dataclass(frozen=True)
class Compared:
    """An object of a release and what came out.

    Attributes:
        release: the release.
        declared: the object as Helm rendered it.
        in_chart: whether it is a CRD of the chart's folder crds/.
        live: as it is; None: it is not there.
        comparison: what came out; None where it is not there.
    """

    release: HelmRelease
    declared: Mapping[str, Any]
    in_chart: bool
    live: Mapping[str, Any] | None
    comparison: Comparison | None

    @property
    def in_step(self) -> bool:
        """Whether it is there as it was installed."""
        return self.comparison is not None and not self.comparison.differences


def deployed(objects: Objects) -> dict[str, HelmRelease]:
    """What is deployed of each of the mesh's releases, by name; one without is not in it.

    Every istiod of istio-system counts for one of the mesh's, of whatever revision.

    Raises:
        ApiException: what the API server answers instead.
        UnreadableRecordError: a record cannot be read.
    """
    records = [
        record
        for record in objects.labelled(RECORDS, "owner=helm,status=deployed", NAMESPACE)
        if (name := record["metadata"]["labels"]["name"]) == BASE_RELEASE or is_istiod(name)
    ]
    records.sort(key=lambda record: int(record["metadata"]["labels"]["version"]))
    return {record["metadata"]["labels"]["name"]: helm_release(record) for record in records}


def compared(objects: Objects, pool: Executor, releases: Mapping[str, HelmRelease]) -> Iterator[Compared]:
    """Every object of the releases, held against the live one.

    Args:
        objects: reads them.
        pool: reads several at once.
        releases: what is deployed.
    """
    scaled = {
        item["spec"]["scaleTargetRef"]["name"]
        for item in objects.labelled(AUTOSCALERS, "", NAMESPACE)
        if item["spec"]["scaleTargetRef"]["kind"] == "Deployment"
    }
    for release in releases.values():
        for in_chart, group in ((False, release.objects), (True, release.crds)):
            yield from pool.map(partial(_compared, objects, release, scaled, in_chart), group)


def deviations(objects: Objects, pool: Executor, wanted: Collection[str]) -> tuple[int, list[Deviation]]:
    """How many objects the releases have, and those that are not as they were installed.

    Args:
        objects: reads them.
        pool: reads several at once.
        wanted: names of the releases that there should be; others are not looked at.
    """
    releases = {name: release for name, release in deployed(objects).items() if name in wanted}
    found = [
        Deviation(
            f"Helm release {name}",
            "helm.sh/v3",
            "Release",
            NAMESPACE,
            name,
            "missing",
            NO_RECORD.format(release=name, namespace=NAMESPACE),
        )
        for name in wanted
        if name not in releases
    ]
    count = 0
    for each in compared(objects, pool, releases):
        count += 1
        if not each.in_step and not _of_newer_chart(each):
            found.append(_deviation(each))
    return count, found


def _of_newer_chart(each: Compared) -> bool:
    """Whether it is a CRD that stayed, as it should, when Istio went back to a chart with a folder crds/."""
    annotations = ((each.live or {}).get("metadata") or {}).get("annotations") or {}
    return each.in_chart and ownership_annotations(each.release.name).items() <= annotations.items()


def _compared(
    objects: Objects, release: HelmRelease, scaled: set[str], in_chart: bool, declared: Mapping[str, Any]
) -> Compared:
    metadata = declared["metadata"]
    namespace = metadata.get("namespace") or release.namespace
    live = objects.read(declared["apiVersion"], declared["kind"], namespace, metadata["name"])
    if live is None:
        return Compared(release, declared, in_chart, None, None)
    return Compared(release, declared, in_chart, live, compare(declared, live, manner(declared, scaled)))


def manner(declared: Mapping[str, Any], scaled: set[str]) -> Manner:
    """How an object of a release is compared: what istiod and autoscalers write into it is left out.

    istiod puts its CA into every webhook, and makes the validating ones fail closed once it serves them
    (https://istio.io/latest/docs/ops/configuration/mesh/webhook/).

    Args:
        declared: the object as Helm rendered it.
        scaled: names of Deployments whose replicas an autoscaler sets.
    """
    kind = declared["kind"]
    ignored: Callable[[Path, Any, Any], bool]
    if kind in WEBHOOKS:
        ignored = _patched_by_istiod
    elif kind == "Deployment" and declared["metadata"]["name"] in scaled:
        ignored = _replicas
    else:
        ignored = _nothing
    group = str(declared["apiVersion"]).rpartition("/")[0]
    return Manner("." not in group or group.endswith(".k8s.io"), ignored)


def _patched_by_istiod(path: Path, declared: Any, live: Any) -> bool:
    return path[-1] == "caBundle" or (path[-1] == "failurePolicy" and (declared, live) == ("Ignore", "Fail"))


def _replicas(path: Path, declared: Any, live: Any) -> bool:
    return path == ("spec", "replicas")


def _nothing(path: Path, declared: Any, live: Any) -> bool:
    return False


def _deviation(each: Compared) -> Deviation:
    metadata = each.declared["metadata"]
    live = each.live["metadata"] if each.live else metadata
    return Deviation(
        source=f"Helm release {each.release.name}",
        api_version=each.declared["apiVersion"],
        kind=each.declared["kind"],
        namespace=live.get("namespace") or "",
        name=metadata["name"],
        state="different" if each.comparison else "missing",
        cure=OLD_CRD if each.in_chart else MENDS,
        differences=each.comparison.differences if each.comparison else (),
        # What a Secret holds is for nobody's log; its fields are named.
        diff=each.comparison.diff if each.comparison and each.declared["kind"] != "Secret" else "",
    )
