"""Whether the declared certificates go together; what stands in them is held against each other elsewhere."""

from collections.abc import Iterator

from topology.checks.access import source
from topology.checks.keys import ROOT, cluster_keys
from topology.errors import Problem
from topology.model import Cluster, Mesh, NextIntermediate, Trust
from topology.root_rotation import signing_source, signs_under_new

ROTATION = f"{ROOT}.trust.rotation"


def certificates(mesh: Mesh) -> Iterator[Problem]:
    """Certificates that are missing, or given where Pulumi makes them."""
    trust = mesh.trust
    if trust.algorithm == "ECDSA" and "rsa_bits" in trust.model_fields_set:
        yield Problem(f"{ROOT}.trust.rsaBits", "the algorithm is ECDSA", "Remove it, or write `algorithm: RSA`")
    if trust.root == "provided":
        if trust.root_certificate is None:
            yield Problem(
                f"{ROOT}.trust.rootCertificate", "missing, with `root: provided`", "Give the root certificate, PEM"
            )
        else:
            yield from source(f"{ROOT}.trust.rootCertificate", trust.root_certificate)
    elif trust.root_certificate is not None:
        yield Problem(f"{ROOT}.trust.rootCertificate", "the root is generated", "Remove it, or write `root: provided`")
    for key, cluster in cluster_keys(mesh):
        if trust.root == "provided":
            yield from _provided(f"{key}.trust", cluster, trust)
        else:
            yield from _generated(f"{key}.trust", cluster)


def _provided(key: str, cluster: Cluster, of_mesh: Trust) -> Iterator[Problem]:
    trust = cluster.trust
    if trust.certificate is not None:
        yield from source(f"{key}.certificate", trust.certificate)
    if trust.key is not None:
        yield from source(f"{key}.key", trust.key)
    if trust.request and trust.key is not None:
        yield Problem(f"{key}.key", "with `request: true` Pulumi makes the key", "Remove one of the two")
    if trust.rotate and not trust.request and signing_source(of_mesh) == "provided":
        cause = "Pulumi does not make this intermediate"
        yield Problem(f"{key}.rotate", cause, "Give another `certificate` and `key` instead")
    if signs_under_new(of_mesh):  # What stands under the present root is not read any more.
        return
    if not trust.request and trust.certificate is None:
        yield Problem(
            f"{key}.certificate",
            f"missing: with `root: provided` cluster {cluster.name} needs an intermediate of its own",
            "Give `certificate` and `key`, or `request: true` to have a certificate request exported",
        )
    elif not trust.request and trust.key is None:
        yield Problem(f"{key}.key", "missing", "Give the key of `certificate`, or `request: true` if Pulumi made it")


def _generated(key: str, cluster: Cluster) -> Iterator[Problem]:
    for name in ("certificate", "key"):
        if getattr(cluster.trust, name):
            yield Problem(
                f"{key}.{name}", "the root is generated", f"Remove it, or write `{ROOT}.trust.root: provided`"
            )


def rotation(mesh: Mesh) -> Iterator[Problem]:
    """What a replacement of the root lacks, or has too much of."""
    declared = mesh.trust.rotation
    to_provided = declared is not None and declared.to == "provided"
    if declared and to_provided and declared.root_certificate is None:
        cure = "Give the new root certificate, PEM; the present one stays in `trust.rootCertificate`"
        yield Problem(f"{ROTATION}.rootCertificate", "missing, with `to: provided`", cure)
    if declared and declared.root_certificate is not None:
        yield from source(f"{ROTATION}.rootCertificate", declared.root_certificate)
        if not to_provided:
            cure = "Remove it, or write `to: provided`"
            yield Problem(f"{ROTATION}.rootCertificate", "Pulumi makes the new root", cure)
    for key, cluster in cluster_keys(mesh):
        following = cluster.trust.next
        if to_provided:
            yield from _next(f"{key}.trust", cluster, mesh.trust)
        elif following and declared:
            cause = f"Pulumi makes the intermediate of cluster {cluster.name} under the new root"
            yield Problem(f"{key}.trust.next", cause, f"Remove it, or write `{ROTATION}.to: provided`")
        elif following:
            yield Problem(
                f"{key}.trust.next",
                "no replacement of the root is under way",
                "Move it to `certificate` and `key` of the cluster's `trust` if it is over, else declare "
                "`trust.rotation`",
            )


def _next(key: str, cluster: Cluster, of_mesh: Trust) -> Iterator[Problem]:
    trust = cluster.trust
    following = trust.next or NextIntermediate()
    for name, given in (("certificate", following.certificate), ("key", following.key)):
        if given is not None:
            yield from source(f"{key}.next.{name}", given)
    # A cluster whose first certificate is still to come waits for it under either root.
    waits = trust.request and trust.certificate is None and of_mesh.root == "provided"
    if following.certificate is None and (trust.next or (signs_under_new(of_mesh) and not waits)):
        yield Problem(
            f"{key}.next.certificate",
            f"missing: cluster {cluster.name} needs an intermediate under the new root before that one signs",
            "Give `next.certificate`, signed by the new root, and `next.key` (none with `request: true`)",
        )
    if trust.request and following.key is not None:
        yield Problem(f"{key}.next.key", "with `request: true` Pulumi makes the key", "Remove one of the two")
    elif following.certificate is not None and following.key is None and not trust.request:
        yield Problem(
            f"{key}.next.key", "missing", "Give the key of `next.certificate`, or `request: true` if Pulumi made it"
        )


def lifetimes(mesh: Mesh) -> Iterator[Problem]:
    """Intermediates that would outlive their root."""
    trust = mesh.trust
    makes_root = trust.root == "generated" or (trust.rotation is not None and trust.rotation.to == "generated")
    if makes_root and trust.intermediate_validity_days > trust.root_validity_days:
        yield Problem(
            f"{ROOT}.trust.intermediateValidityDays",
            "the intermediates would outlive the root",
            "Make it smaller than rootValidityDays",
        )
