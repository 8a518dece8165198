"""What a Helm release that failed does not say itself: which pod, and why; or whose work it ran into."""

from collections.abc import Sequence

import pulumi
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from live.kubeconfig import ClusterAccess
from live.pods.readiness import why_not_ready
from topology.defaults import NAMESPACE

# Helm's words where a release stands in the cluster that is not in the stack's state, or not finished.
UNKNOWN_RELEASE = ("cannot re-use a name that is still in use", "another operation (install/upgrade/rollback)")
# And where another one made the record of the same revision in the same moment: helm, pkg/storage/driver/driver.go.
AT_WORK = "release: already exists"


def explain_failed_release(access: ClusterAccess) -> pulumi.ErrorHook:
    """A hook that logs why a release failed; it never asks for a retry.

    Helm itself ends with no more than "context deadline exceeded".
    """

    def explain(args: pulumi.ErrorHookArgs) -> bool:
        for reason in why_release_failed(access, args.errors):
            pulumi.log.error(f"cluster {access.name}: {args.name}: {reason}")
        return False

    return pulumi.ErrorHook(f"explain-failed-release-{access.name}", explain)


def why_release_failed(access: ClusterAccess, errors: Sequence[str]) -> list[str]:
    """Why a release failed: what it ran into, else why the pods of istio-system are not ready.

    Args:
        access: its cluster.
        errors: Helm's words.
    """
    if any(AT_WORK in error for error in errors):
        return [
            "another run of Pulumi works on this Helm release, or the plug-in of one that was killed. Wait a minute, "
            "run `spanmesh repair`, then `pulumi up` again"
        ]
    if any(sign in error for sign in UNKNOWN_RELEASE for error in errors):
        return [
            "an interrupted run left a Helm release that Pulumi does not know. Run `spanmesh repair`; where the "
            "stack's state is lost or older than the clusters, `spanmesh rescue`"
        ]
    try:
        return why_not_ready(access, NAMESPACE)
    except (ApiException, HTTPError) as error:
        return [f"the cluster does not answer: {error}"]
