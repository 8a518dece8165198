"""One Kubernetes provider for each cluster."""

from inspect import signature
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

REFUSES_WHAT_IS_THERE = "upsert_existing_objects" in signature(k8s.ProviderArgs.__init__).parameters


def cluster_provider(name: str, kubeconfig: str, skip_update_unreachable: bool) -> k8s.Provider:
    """The provider of one cluster.

    Args:
        name: Istio's cluster name: it is the provider's identity too, so that another kubeconfig for the same cluster
            updates the provider and does not replace everything in the cluster (pulumi-kubernetes#4019).
        kubeconfig: the kubeconfig's text, with one context; kept as a secret.
        skip_update_unreachable: while the cluster does not answer, leave what stands in it as it is. Never is a
            cluster that does not answer taken for deleted.
    """
    # Since 4.29 the provider refuses to make what is there, and that is what an interrupted update leaves.
    takes_up_again: dict[str, Any] = {"upsert_existing_objects": True} if REFUSES_WHAT_IS_THERE else {}
    return k8s.Provider(
        name,
        kubeconfig=pulumi.Output.secret(kubeconfig),
        cluster_identifier=name,
        skip_update_unreachable=skip_update_unreachable,
        delete_unreachable=False,
        # A renewed `cacerts` has to change in place: replaced, it would be gone for a moment (pulumi-kubernetes#2291).
        enable_secret_mutable=True,
        enable_config_map_mutable=True,
        **takes_up_again,
    )
