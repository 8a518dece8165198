"""Checks that need more than one key, made before anything is touched."""

from topology.checks import access, clusters, gateways, istio, policy, revisions, trust
from topology.errors import Problem
from topology.model import Mesh


def check(mesh: Mesh) -> list[Problem]:
    """Everything wrong with a mesh whose single keys are well-formed."""
    problems = [
        *clusters.names(mesh),
        *clusters.groups(mesh),
        *access.kubeconfigs(mesh),
        *access.api_servers(mesh),
        *trust.certificates(mesh),
        *trust.rotation(mesh),
        *trust.lifetimes(mesh),
        *istio.identity_in_values(mesh),
        *istio.versions(mesh),
        *revisions.revisions(mesh),
        *policy.policies(mesh),
        *policy.services(mesh),
    ]
    if unknown := list(clusters.links(mesh)):
        # Who needs which gateway cannot be told of clusters that do not exist.
        return problems + unknown
    return [
        *problems,
        *gateways.gateways(mesh),
        *gateways.shut_out(mesh),
        *gateways.hostnames_not_resolved(mesh),
    ]


def doubts(mesh: Mesh) -> list[Problem]:
    """What may be meant as it stands, but mostly is not: to be shown as warnings."""
    return [
        *clusters.one_network_over_regions(mesh),
        *gateways.open_to_everyone(mesh),
        *istio.known_faults(mesh),
    ]
