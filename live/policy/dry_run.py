"""What every cluster says to the policy before it is applied: the API server's types, and istiod's webhook."""

from collections.abc import Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from kubernetes.client.exceptions import ApiException

from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.policy.api import SERVICES, Api, Kind
from live.policy.reading import Held, identity
from live.policy.refusal import refusal
from live.reachability import explained
from policy.document import Document
from policy.finding import Finding, Rule, at
from policy.provenance import applied
from policy.world import Placed

REFUSED = Rule(
    "SM501",
    "Refused by the cluster",
    "error",
    "The API server or istiod's webhook refuses the object: an update would stop half-way, with some clusters changed",
    "Correct what it says; what only a newer Istio takes comes in the update after that of Istio",
    "https://istio.io/latest/docs/ops/common-problems/validation/",
    acknowledgeable=False,
)
UNKNOWN_KIND = Rule(
    "SM503",
    "A kind that the cluster does not know",
    "error",
    "The API server has no such type, so that nothing of the object is applied there",
    "Install its CRDs in that cluster, or narrow the object to clusters that have them",
    "https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/",
)
NO_NAMESPACE = Rule(
    "SM504",
    "Namespace missing",
    "error",
    "The object cannot be made in a namespace that does not exist",
    "Make the namespace in that cluster first, or narrow the object to clusters that have it",
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/",
)
RULES = (REFUSED, UNKNOWN_KIND, NO_NAMESPACE)
CALLS = 8
MANAGER = "spanmesh-dry-run"
QUERY = {"dryRun": "All", "fieldManager": MANAGER, "fieldValidation": "Strict"}


@dataclass(frozen=True)
class Verdict:
    """What one cluster says.

    Attributes:
        findings: what it refuses.
        unjudged: why it could not judge some of the policy; empty where it judged all.
    """

    findings: tuple[Finding, ...] = ()
    unjudged: str = ""


def dry_run(
    access: ClusterAccess, stack: str, placed: Sequence[Placed], held: Held, coming: Set[str] = frozenset()
) -> Verdict:
    """Have a cluster judge every object as it will be applied (``dryRun=All``: nothing is kept).

    An object that is not there yet is tried by server-side apply, by which pulumi-kubernetes makes it. One that is
    there is tried as a JSON patch that puts the declared content in the place of the live one. Server-side apply would
    be the wrong question for it: fields are merged by their manager, pulumi-kubernetes gives each of its objects a
    manager of its own (``pulumi-kubernetes-1a2b3c4d``, kept in its state), and takes over the fields of managers that
    do not apply before it updates (seen with 4.25: after ``kubectl patch``, an update leaves exactly what is declared).
    A dry run by another manager would meet conflicts, and one that forces would judge a mixture of old fields and new.

    Where nothing of Istio's types is served yet, there is nobody to ask and nothing is found.

    Args:
        access: the cluster.
        stack: the stack's name, for the labels.
        placed: the declared policy.
        held: what was read of the cluster.
        coming: namespaces that the same update makes.

    Raises:
        UnreachableError: the API server does not answer.
    """
    if not held.kinds.istio:
        return Verdict()
    taken = {identity(item) for item in held.live.others}
    findings: list[Finding] = []
    tries: list[tuple[Document, Kind]] = []
    for document in (p.document for p in placed if access.name in p.clusters):
        kinds = (
            [SERVICES] if (document.group, document.kind) == ("", "Service") else held.kinds.of(*document.identity[:2])
        )
        kind = next((kind for kind in kinds if kind.api_version == document.api_version), None)
        if kind is None:
            findings.append(_unknown(document, access.name, kinds))
        elif document.namespace not in held.live.namespaces:
            if document.namespace not in coming:
                message = f"the namespace {document.namespace} does not exist"
                findings.append(at(document, ("metadata", "namespace"), NO_NAMESPACE, message, (access.name,)))
        elif document.identity not in taken:
            tries.append((document, kind))
    verdicts: Iterable[Verdict] = ()
    with explained(access, "dry runs"), api_client(access) as client, ThreadPoolExecutor(max_workers=CALLS) as pool:
        verdicts = list(pool.map(partial(_tried, Api(client), access.name, stack, held), tries))
    findings += [finding for verdict in verdicts for finding in verdict.findings]
    return Verdict(tuple(findings), next((v.unjudged for v in verdicts if v.unjudged), ""))


def _unknown(document: Document, cluster: str, kinds: Sequence[Kind]) -> Finding:
    known = ", ".join(kind.api_version for kind in kinds)
    message = f"the cluster does not know {document.kind} of {document.api_version}"
    cure = f"Write apiVersion: {kinds[0].api_version}" if kinds else ""
    return at(
        document, ("apiVersion",), UNKNOWN_KIND, f"{message}, but of {known}" if kinds else message, (cluster,), cure
    )


def _tried(api: Api, cluster: str, stack: str, held: Held, what: tuple[Document, Kind]) -> Verdict:
    document, kind = what
    body = applied(document, stack)
    path = kind.path(document.namespace, document.name)
    live = held.own.get(document.identity)
    try:
        if live is None:
            api.patch(path, "application/apply-patch+yaml", body, {**QUERY, "force": "true"})
        else:
            api.patch(path, "application/json-patch+json", _replacement(live, body), QUERY)
    except ApiException as error:
        refused = refusal(error)
        return Verdict(
            tuple(at(document, o.path or ("spec",), REFUSED, o.message, (cluster,)) for o in refused.objections),
            refused.unjudged,
        )
    return Verdict()


def _replacement(live: Mapping[str, Any], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A JSON patch (RFC 6902) from what is live to what is declared; labels and annotations of others stay."""
    kept = {"apiVersion", "kind", "metadata", "status"}
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": f"/{key}", "value": value} for key, value in body.items() if key not in kept
    ]
    operations += [{"op": "remove", "path": f"/{key}"} for key in live if key not in kept and key not in body]
    for key in ("labels", "annotations"):
        value = {**(live["metadata"].get(key) or {}), **body["metadata"][key]}
        operations.append({"op": "add", "path": f"/metadata/{key}", "value": value})
    return operations
