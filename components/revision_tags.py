"""Revision tags: what pods of namespaces labelled with a tag are injected by.

Not by the charts' ``revisionTags``: those belong to the Helm release of one istiod, so that a tag which is to stand for
another one would have to be deleted before it can be made anew, and pods would start without a proxy in between. Here a
tag is one object, and standing for another istiod is one change of it. It is what ``istioctl tag set`` makes, and what
the chart istiod has in templates/revision-tags*.yaml: https://istio.io/latest/docs/setup/upgrade/canary/#stable-revision-labels
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from policy.provenance import STACK, TAKE_BACK, label_value
from topology.revisions import DEFAULT, INJECTION, LABEL, TAG_LABEL, istiod_of

INJECT = "sidecar.istio.io/inject"
# As the chart has it: these run before there is a mesh.
NEVER = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"]
Requirement = tuple[str, str, list[str]]


@dataclass(frozen=True)
class RevisionTagArgs:
    """Arguments of :class:`RevisionTag`.

    Attributes:
        tag: its name; `default`: it stands for what names no revision, too.
        revision: the revision that it stands for.
        namespace: namespace of istiod.
        values: the user's values of the chart istiod.
    """

    tag: str
    revision: str
    namespace: str
    values: Mapping[str, Any] = field(default_factory=dict)


class RevisionTag(pulumi.ComponentResource):
    """The webhooks by which the API server asks the istiod of one revision for the proxies of a tag's pods."""

    def __init__(self, name: str, args: RevisionTagArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:RevisionTag", name, None, opts)
        configuration = k8s.admissionregistration.v1.MutatingWebhookConfiguration(
            f"{name}-webhooks",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=f"istio-revision-tag-{args.tag}",
                labels={
                    TAG_LABEL: args.tag,
                    # By this istiod knows that it is to write its CA into it.
                    LABEL: args.revision,
                    "app": "sidecar-injector",
                    "operator.istio.io/component": "Pilot",
                    STACK: label_value(pulumi.get_stack()),
                },
                annotations=TAKE_BACK,
            ),
            webhooks=[_webhook(prefix, args, *selectors) for prefix, *selectors in _selected(args)],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.made = configuration.metadata
        self.register_outputs({"tag": args.tag, "revision": args.revision})


def _selected(args: RevisionTagArgs) -> Iterator[tuple[str, list[Requirement], list[Requirement]]]:
    """Prefix of each webhook's name, and which namespaces and pods it is for: one pod is never for two of them."""
    no_label: list[Requirement] = [(LABEL, "DoesNotExist", []), (INJECTION, "DoesNotExist", [])]
    not_refused: list[Requirement] = [(INJECT, "NotIn", ["false"])]
    by_tag: list[Requirement] = [(LABEL, "In", [args.tag])]
    yield "rev.namespace.", [*by_tag, (INJECTION, "DoesNotExist", [])], not_refused
    yield "rev.object.", no_label, [*not_refused, *by_tag]
    if args.tag != DEFAULT:
        return
    yield "namespace.", [(INJECTION, "In", ["enabled"])], not_refused
    yield "object.", no_label, [(INJECT, "In", ["true"]), (LABEL, "DoesNotExist", [])]
    if (args.values.get("sidecarInjectorWebhook") or {}).get("enableNamespacesByDefault"):
        everywhere = [*no_label, ("kubernetes.io/metadata.name", "NotIn", NEVER)]
        yield "auto.", everywhere, [(INJECT, "DoesNotExist", []), (LABEL, "DoesNotExist", [])]


def _webhook(
    prefix: str, args: RevisionTagArgs, namespaces: list[Requirement], pods: list[Requirement]
) -> k8s.admissionregistration.v1.MutatingWebhookArgs:
    return k8s.admissionregistration.v1.MutatingWebhookArgs(
        name=f"{prefix}sidecar-injector.istio.io",
        # Its CA is written into it by istiod.
        client_config=k8s.admissionregistration.v1.WebhookClientConfigArgs(
            service=k8s.admissionregistration.v1.ServiceReferenceArgs(
                name=istiod_of(args.revision), namespace=args.namespace, path="/inject", port=443
            )
        ),
        side_effects="None",
        rules=[
            k8s.admissionregistration.v1.RuleWithOperationsArgs(
                operations=["CREATE"], api_groups=[""], api_versions=["v1"], resources=["pods"]
            )
        ],
        # Rather no pod for a moment than one without a proxy.
        failure_policy="Fail",
        reinvocation_policy=(args.values.get("sidecarInjectorWebhook") or {}).get("reinvocationPolicy", "Never"),
        admission_review_versions=["v1"],
        namespace_selector=_selector(namespaces),
        object_selector=_selector(pods),
    )


def _selector(requirements: list[Requirement]) -> k8s.meta.v1.LabelSelectorArgs:
    return k8s.meta.v1.LabelSelectorArgs(
        match_expressions=[
            k8s.meta.v1.LabelSelectorRequirementArgs(key=key, operator=operator, values=values or None)
            for key, operator, values in requirements
        ]
    )
