"""The roots and intermediates that the user brings, read from where the stack file says and checked."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from live.division import has_cacerts
from live.kubeconfig import ClusterAccess
from live.sources import Sources
from topology import Mesh, MeshConfigError, Problem
from topology.checks.keys import cluster_keys
from topology.given_trust import NEW_ROOT_KEY, ROOT_KEY, GivenIntermediate, GivenRoot, GivenTrust, check_provided
from topology.root_rotation import signing_source, signs_under_new
from topology.source import Source


def read_given_trust(mesh: Mesh, sources: Sources) -> GivenTrust:
    """Certificates and keys of the roots that are provided: the present one, and the new one of a rotation.

    Intermediates of a root that does not sign any more are not read: their files may be gone.

    Args:
        mesh: the declared mesh.
        sources: reads what the stack file names.

    Raises:
        MeshConfigError: with the faults of every cluster: a text that is not there, or that cannot be used.
    """
    reading = _Reading(sources)
    trust, rotation = mesh.trust, mesh.trust.rotation
    present = new = None
    if trust.root_certificate is not None:
        present = GivenRoot(
            reading.text(trust.root_certificate, ROOT_KEY),
            {} if signs_under_new(trust) else reading.intermediates(_present(mesh)),
            ROOT_KEY,
        )
    if rotation is not None and rotation.root_certificate is not None:
        new = GivenRoot(
            reading.text(rotation.root_certificate, NEW_ROOT_KEY), reading.intermediates(_next(mesh)), NEW_ROOT_KEY
        )
    given = GivenTrust(present, new)
    # What could not be read is not judged too.
    if problems := reading.problems or check_provided(given, datetime.now(UTC)):
        raise MeshConfigError(problems)
    return given


@dataclass(frozen=True)
class _Declared:
    cluster: str
    key: str
    certificate: Source
    private_key: Source | None


def _present(mesh: Mesh) -> Iterator[_Declared]:
    for key, cluster in cluster_keys(mesh):
        if cluster.trust.certificate:
            yield _Declared(cluster.name, f"{key}.trust", cluster.trust.certificate, cluster.trust.key)


def _next(mesh: Mesh) -> Iterator[_Declared]:
    for key, cluster in cluster_keys(mesh):
        if (following := cluster.trust.next) and following.certificate:
            yield _Declared(cluster.name, f"{key}.trust.next", following.certificate, following.key)


class _Reading:
    """Reads on where a text is not there, so that all that are missing are named at once."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.problems: list[Problem] = []

    def text(self, source: Source, key: str) -> str:
        try:
            return self._sources.read(source, key)
        except MeshConfigError as error:
            self.problems.extend(error.problems)
            return ""

    def intermediates(self, declared: Iterable[_Declared]) -> dict[str, GivenIntermediate]:
        return {
            each.cluster: GivenIntermediate(
                each.cluster,
                each.key,
                self.text(each.certificate, f"{each.key}.certificate"),
                self.text(each.private_key, f"{each.key}.key") if each.private_key else None,
            )
            for each in declared
        }


def losing_trust(mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> list[Problem]:
    """Clusters that have a CA by now, and would lose it with all of Istio, for they wait for a certificate.

    Args:
        mesh: the declared mesh.
        accesses: the clusters of this stack that answer.
    """
    if signing_source(mesh.trust) == "generated":
        return []
    declared = _next(mesh) if signs_under_new(mesh.trust) else _present(mesh)
    given = {each.cluster for each in declared}
    which = "next.certificate" if signs_under_new(mesh.trust) else "certificate"
    return [
        Problem(
            f"{key}.trust.{which}",
            f"missing, and cluster {cluster.name} runs with a CA: waiting for one would take Istio away from it",
            "Give the certificate. For a request while the cluster runs, set `request: true` under the generated root "
            "first, or bring `certificate` and `key`",
        )
        for key, cluster in cluster_keys(mesh)
        if cluster.name not in given and cluster.name in accesses and has_cacerts(accesses[cluster.name])
    ]
