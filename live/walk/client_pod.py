"""The pod that a request starts from, as a user names it."""

from collections.abc import Sequence

from health.walk.facts import Pod

KINDS = {
    "deploy": "ReplicaSet",
    "deployment": "ReplicaSet",
    "rs": "ReplicaSet",
    "sts": "StatefulSet",
    "statefulset": "StatefulSet",
    "ds": "DaemonSet",
    "daemonset": "DaemonSet",
    "job": "Job",
}
SHOWN = 8


class NoPodError(Exception):
    """No pod is what was asked for; the message names those that there are."""


def chosen(pods: Sequence[Pod], wanted: str, where: str) -> Pod:
    """The pod that is meant: a ready one before others.

    Args:
        pods: all pods of the namespace.
        wanted: its name, the beginning of it, ``deploy/NAME`` (``sts``, ``ds``, ``job``), or a label ``app=sleep``.
        where: cluster and namespace, for the message.

    Raises:
        NoPodError: none is.
    """
    fitting = [pod for pod in pods if _fits(pod, wanted)]
    exact = [pod for pod in fitting if pod.name == wanted]
    if not fitting:
        names = ", ".join(pod.name for pod in pods[:SHOWN]) or "none"
        raise NoPodError(f"{where}: no pod is {wanted}. Pods there: {names}{', ...' if len(pods) > SHOWN else ''}")
    return min(exact or fitting, key=lambda pod: (not pod.ready, pod.name))


def _fits(pod: Pod, wanted: str) -> bool:
    if "=" in wanted:
        return pod.has(dict(each.split("=", 1) for each in wanted.split(",") if "=" in each))
    kind, slash, name = wanted.partition("/")
    if slash:
        owner, _, owned = pod.owner.partition("/")
        if KINDS.get(kind.lower().rstrip("s") if kind.lower() not in KINDS else kind.lower()) != owner:
            return kind.lower() in {"pod", "pods", "po"} and pod.name == name
        # A Deployment's ReplicaSet is called as it is, with a hash.
        return name in (owned, owned.rpartition("-")[0])
    return pod.name == wanted or pod.name.startswith(f"{wanted}-") or pod.name.startswith(wanted)
