"""The mesh's trust where the key of its root is lost with the state: what is left of it stands in ``cacerts``.

Without its key a root signs nothing any more, and a new one would be trusted by nobody. The intermediates and their
keys are in the clusters: a mesh that has them given (``trust.root: provided``) goes on as it is.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.reachability import UnreachableError, explained
from live.state.completion import certificates
from live.state.deployment import Json, name_of, resources
from topology import Mesh, MeshConfigError, Problem
from topology.certificates import parse_certificates
from topology.checks.keys import cluster_keys
from topology.defaults import NAMESPACE
from topology.root_rotation import new_generation, root_name

# What __main__.py makes: the component Trust of the component Mesh called `mesh`.
COMPONENT = "mesh-trust"
FILES = ("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem")
NOT_FOUND = 404


@dataclass(frozen=True)
class Authority:
    """The intermediate CA of a running cluster.

    Attributes:
        certificate: its certificate, PEM, then those between it and the root.
        key: its private key, PEM.
        roots: the roots that are trusted there, PEM: the text as it stands.
    """

    certificate: str
    key: str
    roots: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"Authority({self.certificate!r})"


@dataclass(frozen=True)
class Given:
    """What has to stand in the stack file from now on.

    Attributes:
        root: ``trust.rootCertificate``, PEM; None: the root stays as it is declared.
        authorities: ``trust.certificate`` and ``trust.key`` of clusters, by Istio's name.
        generation: ``trust.generation``, with ``root``: that of the next root that Pulumi makes.
    """

    root: str | None
    authorities: Mapping[str, Authority]
    generation: int = 1


def live_authorities(accesses: Mapping[str, ClusterAccess]) -> dict[str, Authority]:
    """What each cluster's istiod signs with; a cluster without ``cacerts`` is not in it.

    Raises:
        UnreachableError: a cluster does not answer.
        MeshConfigError: a Secret ``cacerts`` lacks one of its files.
    """
    found = {name: _authority(access) for name, access in accesses.items()}
    return {name: authority for name, authority in found.items() if authority}


def _authority(access: ClusterAccess) -> Authority | None:
    try:
        with explained(access, "reading the Secret cacerts"), api_client(access) as api:
            secret = client.CoreV1Api(api).read_namespaced_secret("cacerts", NAMESPACE, _request_timeout=TIMEOUT)
    except UnreachableError as error:
        if error.status == NOT_FOUND:
            return None
        raise
    files = {name: base64.b64decode(text).decode() for name, text in (secret.data or {}).items()}
    if missing := [name for name in FILES if name not in files]:
        cause = f"the Secret {NAMESPACE}/cacerts of cluster {access.name} has no {' and no '.join(missing)}"
        raise MeshConfigError([Problem(f"cluster {access.name}", cause, "Put back all four files of its CA")])
    roots = parse_certificates(files["root-cert.pem"])
    between = [each for each in _texts(files["cert-chain.pem"]) if parse_certificates(each)[0] not in roots]
    own = files["ca-cert.pem"]
    first = parse_certificates(own)[0]
    above = [each for each in between if parse_certificates(each)[0] != first]
    return Authority("".join([_ended(own), *above]), files["ca-key.pem"], files["root-cert.pem"])


def given_anew(mesh: Mesh, state: Json, authorities: Mapping[str, Authority]) -> Given | None:
    """What the stack file has to give because its state no longer holds it; None: nothing is lost.

    Args:
        mesh: the declared mesh.
        state: the stack's state, exported with its secrets.
        authorities: what each cluster signs with.

    Raises:
        MeshConfigError: the root's key is lost, and what is left in the clusters does not go together.
    """
    if not authorities:
        return None
    if lost_root(mesh, state, authorities.values()):
        return _all_given(mesh, authorities)
    if mesh.trust.root == "generated":
        return None
    held = {name_of(each["urn"]) for each in resources(state)}
    lost = {
        cluster.name: authorities[cluster.name]
        for cluster in mesh.clusters
        if cluster.trust.request and cluster.name in authorities
        if f"{COMPONENT}-{cluster.name}-intermediate-key" not in held
    }
    return Given(None, lost) if lost else None


def lost_root(mesh: Mesh, state: Json, authorities: Iterable[Authority]) -> bool:
    """Whether clusters trust a root that Pulumi is to have made, and the state has another one or none."""
    trust = mesh.trust
    generations = [trust.generation] if trust.root == "generated" else []
    made = dict(certificates(state))
    trusted = [parse_certificates(each.roots) for each in authorities]
    # Before the stage `both-trusted` is through, a root that Pulumi is to make as successor is not there.
    begun = any(len({one.serial_number for one in roots}) > 1 for roots in trusted)
    if trust.rotation and trust.rotation.to == "generated" and (begun or trust.rotation.stage == "new-only"):
        generations.append(new_generation(trust))
    for generation in generations:
        text = made.get(f"{root_name(COMPONENT, generation)}-cert")
        if text is None or not any(parse_certificates(text)[0] in roots for roots in trusted):
            return True
    return False


def _all_given(mesh: Mesh, authorities: Mapping[str, Authority]) -> Given:
    problems = [
        Problem(
            key,
            f"the key of the mesh's root is lost with the state, and cluster {cluster.name} has no Secret cacerts to "
            "go on with",
            "Take its entry out for now. Once `spanmesh rotate root` has made a new root, put it back",
        )
        for key, cluster in cluster_keys(mesh)
        if cluster.name not in authorities
    ]
    texts = sorted({each.roots for each in authorities.values()}, key=len)
    if any(_ended(text) not in _ended(texts[-1]) for text in texts):
        cause = "the key of the mesh's root is lost with the state, and the clusters do not trust the same roots"
        cure = (
            "Give `trust.rootCertificate` with every root that one of them trusts, and `certificate` and `key` of each"
        )
        problems.append(Problem("spanmesh:mesh.trust", cause, cure))
    if problems:
        raise MeshConfigError(problems)
    made = new_generation(mesh.trust) if mesh.trust.rotation else mesh.trust.generation
    return Given(texts[-1], dict(authorities), made + 1)


def outdated_keys(mesh: Mesh, given: Given) -> list[tuple[str | None, str]]:
    """Keys of ``trust`` that do not go with what is given now: of a cluster, by Istio's name, or None: of the mesh."""
    found: list[tuple[str | None, str]] = []
    if given.root is not None and mesh.trust.rotation:
        found.append((None, "rotation"))
    for cluster in mesh.clusters:
        if cluster.name in given.authorities:
            found += [
                (cluster.name, key) for key in ("request", "rotate", "next") if key in cluster.trust.model_fields_set
            ]
    return found


def _texts(pem: str) -> list[str]:
    end = "-----END CERTIFICATE-----"
    return [f"{part.lstrip()}{end}\n" for part in pem.split(end)[:-1]]


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
