"""The order of a rotation, from wherever an earlier run was interrupted, on clusters that hold what is brought up."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.rotation.root import NewRoot, RootRotation
from cli.rotation.run import StoppedError
from cli.stack_edit import StackEdit
from cli.stack_files import undecrypted
from health.observed import Certificate, ProxyTrust
from health.trust_change import HeldTrust, IstiodSigning, Obstacle
from live.trust.waiting import Held
from tests.unit.health.facts import NOW, certificate
from topology import Mesh
from topology.root_rotation import USES, Root, Stage, stage_of

OLD, BOTH, SIGNS, ONLY = Stage


@dataclass
class Stack:
    """As much of a stack as a rotation asks of it."""

    mesh: Mesh


@dataclass
class Clusters:
    """A stack and its two clusters, on which every update comes to its end; and what was done to them, in order.

    Attributes:
        recorded: stage of the last update.
        generation: of the present root then.
        lag: proxies that never take what is brought up.
        interrupt: the update that is killed: its number.
        beside: another root, first in the provided text of the present one; nothing stands under it.
    """

    folder: Path
    recorded: Stage = OLD
    generation: int = 1
    lag: bool = False
    interrupt: int | None = None
    done: list[str] = field(default_factory=list)
    made: datetime = NOW - timedelta(days=30)
    beside: Certificate | None = None

    def declare(self, trust: dict[str, Any], each: dict[str, Any] | None = None) -> None:
        """Write the stack file."""
        clusters = [
            {"name": name, "network": name, "apiServer": f"https://{name}.example.com:6443", **(each or {})}
            for name in ("cluster1", "cluster2")
        ]
        mesh = {"istio": {"version": "1.30.5"}, **({"trust": trust} if trust else {}), "clusters": clusters}
        (self.folder / "stacks").mkdir(exist_ok=True)
        (self.folder / "stacks/Pulumi.test.yaml").write_text(json.dumps({"config": {"spanmesh:mesh": mesh}}))

    @property
    def stack(self) -> Stack:
        return Stack(undecrypted(StackEdit.open(self.folder, "test").get("")))

    def outputs(self) -> dict[str, Any]:
        signs = self._root(USES[self.recorded].signs).fingerprint
        rotation = {"stage": self.recorded.value, "new": self._root(Root.NEW).fingerprint}
        return {
            "root": {"sha256": self._roots(Root.PRESENT)[0].fingerprint, **self._trusted()},
            "rotation": None if self.recorded is OLD else rotation,
            "clusters": {name: {"intermediate": {"sha256": f"ca-{signs}"}} for name in ("cluster1", "cluster2")},
        }

    def check_clusters(self) -> Held:
        return self._held()

    def write(self, change: Callable[[StackEdit], None], what: str) -> Path:
        edit = StackEdit.open(self.folder, "test")
        change(edit)
        edit.save()
        self.done.append(f"write {what}")
        return edit.path

    def update(self) -> None:
        trust = self.stack.mesh.trust
        if self.done.count("up") == self.interrupt:
            raise KeyboardInterrupt
        self.recorded, self.generation = stage_of(trust), trust.generation
        if self.beside and trust.root == "generated":
            self.beside, self.generation = None, 2
        self.done.append("up")

    def wait(self, judge: Callable[[Held], Sequence[Obstacle]], message: str) -> Held:
        left = judge(self._held())
        if left or (self.lag and "not everybody" in message):
            raise StoppedError(message, [each.why for each in left])
        return self._held()

    def say(self, _: str) -> None:
        """Nobody listens."""

    def _root(self, root: Root) -> Certificate:
        generation = self.generation + (root is Root.NEW)
        made = certificate("root", "root", key_id=f"key{generation}")
        return replace(made, fingerprint=f"root{generation}", not_before=self.made)

    def _roots(self, root: Root) -> tuple[Certificate, ...]:
        first = (self.beside,) if self.beside and root is Root.PRESENT else ()
        return (*first, self._root(root))

    def _trusted(self) -> dict[str, list[str]]:
        return {"trusted": [each.fingerprint for each in self._roots(Root.PRESENT)]} if self.beside else {}

    def _held(self) -> Held:
        use = USES[self.recorded]
        signs = self._root(use.signs)
        ca = replace(
            certificate("ca", "root", key_id="ca", issuer_key_id=signs.key_id), fingerprint=f"ca-{signs.fingerprint}"
        )
        own = certificate("own", "ca", 1, issuer_key_id="ca")
        proxy = ProxyTrust(
            "a.sample", tuple(each for root in use.bundle for each in self._roots(root)), (own, ca, signs)
        )
        istiod = IstiodSigning("istiod", signs.fingerprint, ca.fingerprint)
        return {name: HeldTrust((istiod,), (proxy,), {}) for name in ("cluster1", "cluster2")}


@pytest.fixture
def clusters(tmp_path: Path) -> Clusters:
    """A mesh whose root was never rotated."""
    made = Clusters(tmp_path)
    made.declare({})
    return made


def rotation(clusters: Clusters, wanted: NewRoot | None = None) -> RootRotation:
    """A new run of the command."""
    return RootRotation(clusters, wanted or NewRoot())  # type: ignore[arg-type]


def trust(clusters: Clusters) -> dict[str, Any]:
    """What the stack file says of trust."""
    return dict(StackEdit.open(clusters.folder, "test").get("trust") or {})


STAGES = ["both-trusted", "new-signs", "new-only", "finished"]


def test_every_stage_is_declared_and_brought_up_in_order(clusters: Clusters) -> None:
    rotation(clusters).forward()
    assert clusters.done == [said for stage in STAGES for said in (f"write stage {stage}", "up")]
    assert trust(clusters) == {"generation": 2}


@pytest.mark.parametrize("killed", range(4))
def test_killed_in_any_update_and_run_again_it_goes_on_with_just_that_one(clusters: Clusters, killed: int) -> None:
    clusters.interrupt = killed
    with pytest.raises(KeyboardInterrupt):
        rotation(clusters).forward()
    clusters.interrupt = None
    clusters.done.clear()
    rotation(clusters).forward()
    assert clusters.done == ["up", *(said for stage in STAGES[killed + 1 :] for said in (f"write stage {stage}", "up"))]
    assert trust(clusters) == {"generation": 2}


def test_killed_after_its_last_update_and_run_again_it_begins_no_second_rotation(clusters: Clusters) -> None:
    clusters.made = datetime.now(UTC)
    rotation(clusters).forward()
    clusters.done.clear()
    rotation(clusters).forward()
    assert clusters.done == ["up"]
    rotation(clusters, NewRoot(again=True)).forward()
    assert trust(clusters) == {"generation": 3}


def test_no_stage_begins_before_everybody_holds_the_one_before(clusters: Clusters) -> None:
    clusters.lag = True
    with pytest.raises(StoppedError, match="stage both-trusted is declared, and not everybody holds it yet"):
        rotation(clusters).forward()
    assert clusters.done == ["write stage both-trusted", "up"]


@pytest.mark.parametrize(
    ("stage", "trust_after"),
    [(BOTH, {}), (SIGNS, {"rotation": {"stage": "both-trusted"}}), (ONLY, {"rotation": {"stage": "new-signs"}})],
)
def test_every_stage_is_rolled_back_to_the_one_before(
    clusters: Clusters, stage: Stage, trust_after: dict[str, Any]
) -> None:
    clusters.declare({"rotation": {"stage": stage.value}})
    clusters.recorded = stage
    rotation(clusters).back()
    assert trust(clusters) == trust_after
    assert clusters.done[-1] == "up"


def test_a_step_that_was_never_brought_up_is_rolled_back_to_what_the_clusters_hold(clusters: Clusters) -> None:
    clusters.declare({"rotation": {"stage": "new-signs"}})
    clusters.recorded = BOTH
    rotation(clusters).back()
    assert trust(clusters) == {"rotation": {"stage": "both-trusted"}}


def test_an_interrupted_way_back_is_carried_out_and_goes_no_further(clusters: Clusters) -> None:
    clusters.declare({"rotation": {"stage": "both-trusted"}})
    clusters.recorded = SIGNS
    rotation(clusters).back()
    assert (trust(clusters), clusters.done) == ({"rotation": {"stage": "both-trusted"}}, ["up"])


@pytest.mark.parametrize(
    ("recorded", "why"), [(OLD, "key of the former root is deleted"), (ONLY, "`spanmesh rotate root` completes it")]
)
def test_what_is_over_is_not_rolled_back_and_the_reason_is_said(clusters: Clusters, recorded: Stage, why: str) -> None:
    clusters.declare({"generation": 2})
    clusters.recorded = recorded
    with pytest.raises(StoppedError, match=why):
        rotation(clusters).back()
    assert clusters.done == []


def test_a_provided_text_whose_second_root_signs_is_replaced(clusters: Clusters) -> None:
    pair = {"certificate": {"path": "a.pem"}, "key": {"path": "a.key"}}
    clusters.declare({"root": "provided", "rootCertificate": {"path": "roots.pem"}}, {"trust": pair})
    clusters.beside = replace(certificate("beside", "beside"), fingerprint="beside")
    rotation(clusters).forward()
    assert clusters.done == [said for stage in STAGES for said in (f"write stage {stage}", "up")]
    assert clusters.outputs()["root"]["sha256"] == "root2"


def test_proxies_that_would_not_learn_of_the_new_root_are_named_before_anything_is_touched(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {name: HeldTrust((), (), {}, frozenset({"b.sample"})) for name in ("cluster1", "cluster2")}
    monkeypatch.setattr(clusters, "check_clusters", lambda: held)
    with pytest.raises(StoppedError, match=r"PROXY_CONFIG_XDS_AGENT[^$]*cluster1: b\.sample"):
        rotation(clusters).forward()
    assert clusters.done == []
