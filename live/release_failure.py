"""What a Helm release that failed does not say itself: which pod, and why."""

import pulumi
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from live.kubeconfig import ClusterAccess
from live.pods.readiness import why_not_ready
from topology.defaults import NAMESPACE

# Helm's words where a release stands in the cluster that is not in the stack's state, or not finished.
UNKNOWN_RELEASE = ("cannot re-use a name that is still in use", "another operation (install/upgrade/rollback)")


def explain_failed_release(access: ClusterAccess) -> pulumi.ErrorHook:
    """A hook that logs why the pods of istio-system are not ready; it never asks for a retry.

    Helm itself ends with no more than "context deadline exceeded".
    """

    def explain(args: pulumi.ErrorHookArgs) -> bool:
        try:
            reasons = why_not_ready(access, NAMESPACE)
        except (ApiException, HTTPError) as error:
            reasons = [f"the cluster does not answer: {error}"]
        if any(sign in error for sign in UNKNOWN_RELEASE for error in args.errors):
            reasons = [
                "an interrupted run left a Helm release that Pulumi does not know. Run `spanmesh repair`; where the "
                "stack's state is lost or older than the clusters, `spanmesh rescue`"
            ]
        for reason in reasons:
            pulumi.log.error(f"cluster {access.name}: {args.name}: {reason}")
        return False

    return pulumi.ErrorHook(f"explain-failed-release-{access.name}", explain)
