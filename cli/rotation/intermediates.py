"""New intermediates under the root that stands, one cluster after the other."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cli.rotation.run import Run
from cli.stack_edit import StackEdit
from health.observed import Unknown
from health.trust_change import SettledTrust, unsettled
from live.trust.waiting import Held
from topology import MeshConfigError, Problem
from topology.root_rotation import signing_source


class IntermediateRotation:
    """New intermediates for clusters of one stack.

    Attributes:
        clusters: those that get one, in order.
        done: those whose istiods sign by it.
    """

    clusters: Sequence[str]
    done: list[str]

    def __init__(self, run: Run, names: Sequence[str]) -> None:
        """Nothing is asked yet.

        Args:
            run: of the stack.
            names: the clusters; empty: all.

        Raises:
            MeshConfigError: one is not known, or Pulumi does not make its key.
        """
        mesh, known = run.stack.mesh, [each.name for each in run.stack.mesh.clusters]
        problems = [
            Problem("--cluster", f"the mesh has no cluster {name}", f"Clusters here: {', '.join(known)}")
            for name in names
            if name not in known
        ]
        self._run, self.done = run, []
        self.clusters = [name for name in known if name in names or not names]
        if signing_source(mesh.trust) == "provided":
            problems += [
                Problem(
                    f"spanmesh:mesh.clusters[{known.index(name)}].trust",
                    f"Pulumi does not make the intermediate of cluster {name}",
                    "Give another `certificate` and `key` instead, and run `pulumi up`",
                )
                for name in self.clusters
            ]
        if problems:
            raise MeshConfigError(problems)

    def write(self, names: Sequence[str]) -> Path:
        """Declare new intermediates of some clusters.

        Raises:
            MeshConfigError: the file cannot be changed.
        """
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

        def change(edit: StackEdit) -> None:
            for name in names:
                edit.set(f"{edit.cluster(name)}.trust.rotate", now)

        return self._run.write(change, "another intermediate")

    def carry_out(self) -> None:
        """One cluster after the other.

        Raises:
            StoppedError: a cluster does not answer, or an istiod does not take its new intermediate.
            PulumiError: an update failed.
            MeshConfigError: the file cannot be changed.
        """
        self._run.check_clusters()
        for name in self.clusters:
            self._run.say(f"Cluster {name}: a new intermediate")
            self.write([name])
            self._run.update()
            fingerprint = self._run.outputs()["clusters"][name]["intermediate"]["sha256"]
            wanted = {name: SettledTrust(fingerprint, frozenset())}
            held = self._run.wait(
                lambda held, name=name, wanted=wanted: unsettled(wanted, {name: held[name]}),  # type: ignore[misc]
                f"the new intermediate of cluster {name} is declared, and its istiods do not sign by it yet",
            )
            self.done.append(name)
            self._run.say(f"Cluster {name}: {_renewal(held, name, fingerprint)}")


def _renewal(held: Held, name: str, fingerprint: str) -> str:
    """How far the proxies of a cluster are: they renew their certificates in their own time."""
    found = held[name]
    proxies = () if isinstance(found, Unknown) else found.proxies
    former = [each for each in proxies if fingerprint not in {above.fingerprint for above in each.chain[1:]}]
    said = f"its istiods sign by it, and {len(proxies) - len(former)} of {len(proxies)} proxies have renewed"
    ends = [each.chain[0].not_after for each in former if each.chain]
    # https://istio.io/latest/docs/reference/commands/pilot-agent: SECRET_GRACE_PERIOD_RATIO
    return f"{said}; the others do so by themselves before {max(ends):%Y-%m-%dT%H:%M:%SZ}" if ends else said
