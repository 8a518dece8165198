"""Everything that the clusters say to the declared policy, in one."""

from collections.abc import Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from live.kubeconfig import ClusterAccess
from live.policy.dry_run import Verdict, dry_run
from live.policy.owners import owners
from live.policy.reading import Held, Readings
from live.policy.withdrawn_subsets import withdrawn_subsets
from live.reachability import UnreachableError
from policy.finding import Finding
from policy.world import Placed


@dataclass(frozen=True)
class Judgement:
    """What the clusters say.

    Attributes:
        findings: what is wrong; the same thing in several clusters is one finding.
        unjudged: by Istio's cluster name, why its verdict is missing, or missing in part.
    """

    findings: tuple[Finding, ...] = ()
    unjudged: Mapping[str, str] = field(default_factory=dict)


def judge(
    accesses: Mapping[str, ClusterAccess],
    stack: str,
    placed: Sequence[Placed],
    readings: Readings,
    coming: Set[str] = frozenset(),
) -> Judgement:
    """Whose the objects are, what goes before its users, and a dry run in every cluster that was read, all at once.

    Args:
        accesses: the clusters, by Istio's name.
        stack: the stack's name.
        placed: the declared policy.
        readings: what :func:`live.policy.reading.read_all` gave for the same clusters.
        coming: namespaces that the same update makes.
    """
    unjudged = dict(readings.unread)
    findings = [*owners(placed, readings.held), *withdrawn_subsets(placed, readings.held)]

    def verdict(item: tuple[str, Held]) -> Verdict:
        name, held = item
        try:
            return dry_run(accesses[name], stack, placed, held, coming)
        except UnreachableError as error:
            return Verdict(unjudged=f"{error.cause}. {error.cure}")

    if readings.held:
        with ThreadPoolExecutor(max_workers=len(readings.held)) as pool:
            for name, said in zip(readings.held, pool.map(verdict, readings.held.items()), strict=True):
                findings += said.findings
                if said.unjudged:
                    unjudged[name] = said.unjudged
    return Judgement(tuple(joined(findings)), unjudged)


def joined(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that differ in nothing but the cluster as one that names them all."""
    found: dict[Finding, tuple[str, ...]] = {}
    for finding in findings:
        key = replace(finding, clusters=())
        found[key] = (*found.get(key, ()), *(c for c in finding.clusters if c not in found.get(key, ())))
    return [replace(finding, clusters=clusters) for finding, clusters in found.items()]
