"""Whether the declared certificates go together; what stands in them is held against each other elsewhere."""

from collections.abc import Iterator

from topology.checks.access import source
from topology.checks.keys import ROOT, cluster_keys
from topology.errors import Problem
from topology.model import Cluster, Mesh


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
            yield from _provided(f"{key}.trust", cluster)
        else:
            yield from _generated(f"{key}.trust", cluster)


def _provided(key: str, cluster: Cluster) -> Iterator[Problem]:
    trust = cluster.trust
    if trust.certificate is not None:
        yield from source(f"{key}.certificate", trust.certificate)
    if trust.key is not None:
        yield from source(f"{key}.key", trust.key)
    if trust.request and trust.key is not None:
        yield Problem(f"{key}.key", "with `request: true` Pulumi makes the key", "Remove one of the two")
    if not trust.request and trust.certificate is None:
        yield Problem(
            f"{key}.certificate",
            f"missing: with `root: provided` cluster {cluster.name} needs an intermediate of its own",
            "Give `certificate` and `key`, or `request: true` to have a certificate request exported",
        )
    elif not trust.request and trust.key is None:
        yield Problem(f"{key}.key", "missing", "Give the key of `certificate`, or `request: true` if Pulumi made it")
    if trust.rotate and not trust.request:
        cause = "Pulumi does not make this intermediate"
        yield Problem(f"{key}.rotate", cause, "Give another `certificate` and `key` instead")


def _generated(key: str, cluster: Cluster) -> Iterator[Problem]:
    for name in ("certificate", "key"):
        if getattr(cluster.trust, name):
            yield Problem(
                f"{key}.{name}", "the root is generated", f"Remove it, or write `{ROOT}.trust.root: provided`"
            )


def lifetimes(mesh: Mesh) -> Iterator[Problem]:
    """Intermediates that would outlive their root."""
    trust = mesh.trust
    if trust.root == "generated" and trust.intermediate_validity_days > trust.root_validity_days:
        yield Problem(
            f"{ROOT}.trust.intermediateValidityDays",
            "the intermediates would outlive the root",
            "Make it smaller than rootValidityDays",
        )
