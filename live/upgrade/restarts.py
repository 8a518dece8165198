"""Workloads restarted for the proxies of another Istio version, namespace by namespace."""

from collections.abc import Callable, Sequence
from itertools import groupby

from live.kubeconfig import ClusterAccess
from live.pods.readiness import why_not_ready
from live.upgrade import rollout
from live.upgrade.proxies import Workload
from topology.upgrade import Outdated


class RolloutError(Exception):
    """A rollout did not end; what comes after it has not been restarted."""


def restart_workloads(
    access: ClusterAccess, workloads: Sequence[Outdated], seconds: float, progress: Callable[[str], None]
) -> None:
    """Restart workloads, those of one namespace at once; the next namespace when every rollout is through.

    Args:
        access: the cluster.
        workloads: what to restart; those that say why they are left are left.
        seconds: how long to wait for the rollouts of one namespace.
        progress: told what happens.

    Raises:
        RolloutError: a rollout did not end in time; says why its pods are not ready.
        UnreachableError: the cluster does not answer.
    """
    ours = sorted(
        (each for each in workloads if not each.left), key=lambda each: (each.namespace, each.kind, each.name)
    )
    for namespace, group in groupby(ours, key=lambda each: each.namespace):
        rolling = [Workload(each.namespace, each.kind, each.name) for each in group]
        progress(f"cluster {access.name}: restarting {', '.join(map(str, rolling))}")
        for each in rolling:
            rollout.restart(access, each)
        for each in rolling:

            def told(lacks: str, each: Workload = each) -> None:
                progress(f"cluster {access.name}: {each}: {lacks}")

            if lacks := rollout.wait(access, each, seconds, told):
                reasons = "".join(f"\n  - {line}" for line in why_not_ready(access, namespace))
                raise RolloutError(
                    f"cluster {access.name}: the rollout of {each} did not end within {seconds:.0f} s: {lacks}"
                    f"{reasons}\nThe old pods that are left go on serving, and nothing after it was restarted. Once "
                    "that is cured, run the same again"
                )
