"""The replacement of the root, stage by stage: declared, brought up, and counted before the next one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cli.rotation.declaring import MEANING, RotatesTo, Step, declare, preceding, steps_after
from cli.rotation.run import Run, StoppedError
from health.observed import Unknown
from health.trust_change import SettledTrust, known_roots, obstacles, unsettled
from live.trust.waiting import Held
from topology.root_rotation import USES, Root, Stage, stage_of
from topology.trust_set import TrustSet

# Nobody rotates twice within this on purpose; who does had the command killed at the very end, and runs it again.
JUST_MADE = timedelta(hours=1)
NO_WAY_BACK = (
    "no rotation is under way. One that is over is not rolled back: the key of the former root is deleted, and nobody "
    "trusts it any more. `spanmesh rotate root` makes another one"
)
ENDING = "the rotation's last step has been begun, which deletes the former root: `spanmesh rotate root` completes it"


@dataclass(frozen=True)
class NewRoot:
    """Which root is wanted; of a rotation that is under way, the stack file says.

    Attributes:
        to: where it comes from.
        certificate: file of its certificate, where it is provided.
        again: replace even a root that a rotation made a moment ago.
    """

    to: RotatesTo = "generated"
    certificate: str | None = None
    again: bool = False


class RootRotation:
    """The rotation of one stack's root, wherever it stands."""

    def __init__(self, run: Run, wanted: NewRoot) -> None:
        """Nothing is asked yet.

        Args:
            run: of the stack.
            wanted: the new root.
        """
        self._run, self._wanted = run, wanted
        # Of all roots of this run, so that one that has gone is still known.
        self._known: set[str] = set()

    @property
    def stage(self) -> Stage:
        """The stage that is declared now."""
        return stage_of(self._run.stack.mesh.trust)

    def write(self, step: Step) -> Path:
        """Write a step into the file that declares the mesh.

        Raises:
            StoppedError: the file lacks what the step needs; it is as it was.
            MeshConfigError: it cannot be changed.
        """
        mesh, wanted = self._run.stack.mesh, self._wanted
        return self._run.write(lambda edit: declare(edit, mesh, step, wanted.to, wanted.certificate), f"stage {step}")

    def forward(self) -> None:
        """From wherever it stands to its end.

        Raises:
            StoppedError: it has to wait for something.
            PulumiError: an update failed.
            MeshConfigError: the new root is not given.
        """
        held, recorded = self._run.check_clusters(), self._recorded()
        if self.stage is not Stage.OLD or recorded is not Stage.OLD:
            self._run.say(f"Stage {self.stage}: it was begun before, and is carried out")
            self._bring_up()
            if self.stage is Stage.OLD and recorded is Stage.NEW_ONLY:
                return
        elif (age := self._age(held)) is not None and age < JUST_MADE and not self._wanted.again:
            minutes = age.total_seconds() / 60
            self._run.say(f"A rotation made this root {minutes:.0f} minutes ago, and is over (another one: --again)")
            self._bring_up()
            return
        else:
            _refuse_fixed(held)
        for step in steps_after(self.stage):
            self._move(step)

    def back(self) -> None:
        """One stage back; of a step back that was interrupted, its rest.

        Raises:
            StoppedError: it has to wait for something, or there is no way back.
            PulumiError: an update failed.
        """
        recorded, step = self._recorded(), preceding(self.stage)
        if self.stage is Stage.OLD and recorded in (Stage.OLD, Stage.NEW_ONLY):
            raise StoppedError("there is nothing to roll back", [NO_WAY_BACK if recorded is Stage.OLD else ENDING])
        self._run.check_clusters()
        if list(Stage).index(self.stage) < list(Stage).index(recorded):
            self._run.say(f"Stage {self.stage}: the way back to it was begun before, and is carried out")
            self._bring_up()
        elif step:
            self._move(step)

    def _recorded(self) -> Stage:
        """The stage of the last update that came to its end."""
        return Stage((self._run.outputs().get("rotation") or {}).get("stage", Stage.OLD))

    def _move(self, step: Step) -> None:
        self._run.say(f"Stage {step}: {MEANING[step]}")
        if step is not Step.FINISHED:
            target = self._target(Stage(step))
            self._run.wait(lambda held: obstacles(target, held), f"stage {step} cannot begin")
        self.write(step)
        self._bring_up()

    def _target(self, stage: Stage) -> TrustSet:
        prints, use = self._fingerprints(), USES[stage]
        of = {root: prints.get(root, frozenset({None})) for root in Root}
        return TrustSet(of[use.signs], frozenset().union(*(of[root] for root in use.bundle)))

    def _bring_up(self) -> None:
        """`pulumi up`, until every istiod signs as declared, and every proxy trusts and shows what is declared."""
        self._run.update()
        prints, clusters = self._fingerprints(), self._run.outputs()["clusters"]
        use = USES[self.stage]
        signs, trusted = prints[use.signs], frozenset().union(*(prints[root] for root in use.bundle))
        wanted = {
            name: SettledTrust(each["intermediate"]["sha256"], trusted, frozenset(self._known - trusted), signs)
            for name, each in clusters.items()
            if each.get("intermediate")
        }
        held = self._run.wait(
            lambda held: unsettled(wanted, {name: each for name, each in held.items() if name in wanted}),
            f"stage {self.stage} is declared, and not everybody holds it yet",
        )
        proxies = sum(len(each.proxies) for each in held.values() if not isinstance(each, Unknown))
        alone = "the present root alone is trusted" if self.stage is Stage.OLD else f"stage {self.stage}"
        self._run.say(f"{alone}: counted from all {proxies} proxies of {len(held)} clusters")

    def _fingerprints(self) -> dict[Root, frozenset[str]]:
        """Of the roots that there are: the present one may be a provided text with several."""
        outputs = self._run.outputs()
        present = outputs["root"]
        # A program of before did not say which roots the text holds.
        found = {Root.PRESENT: frozenset[str](present.get("trusted") or [present["sha256"]])}
        if new := (outputs.get("rotation") or {}).get("new"):
            found[Root.NEW] = frozenset({new})
        self._known |= frozenset().union(*found.values())
        return found

    def _age(self, held: Held) -> timedelta | None:
        """How old the present root is that a rotation made; None: it is the mesh's first one, or none of Pulumi's."""
        trust, present = self._run.stack.mesh.trust, self._fingerprints()[Root.PRESENT]
        if trust.root == "provided" or trust.generation == 1:
            return None
        made = [root.not_before for root in known_roots(held.values()) if root.fingerprint in present]
        return datetime.now(UTC) - made[0] if made else None


def _refuse_fixed(held: Held) -> None:
    fixed = [
        f"{name}: {', '.join(sorted(each.fixed))}"
        for name, each in held.items()
        if not isinstance(each, Unknown) and each.fixed
    ]
    if fixed:
        message = (
            "these proxies were started without PROXY_CONFIG_XDS_AGENT, and would not learn of the new root before "
            "they are restarted. Restart their workloads first. Nothing was touched"
        )
        raise StoppedError(message, fixed)
