"""One run of a rotation: its stack, and waiting until the clusters hold what is declared."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cli.project import Stack, load_stack
from cli.pulumi import PulumiStack
from cli.stack_edit import StackEdit
from cli.stack_files import stack_config, undecrypted
from cli.update import update
from health.observed import Unknown
from health.trust_change import Obstacle, told
from live.trust.held import read_all_held
from live.trust.waiting import Held, wait_until_clear
from topology import MeshConfigError, Problem
from topology.division import GROUP

Say = Callable[[str], None]


class StoppedError(Exception):
    """A rotation that cannot go on for now; nothing is broken.

    Attributes:
        lacking: what it would have to wait for, one sentence each.
    """

    lacking: Sequence[str]

    def __init__(self, message: str, lacking: Sequence[str]) -> None:
        super().__init__("\n".join([message, *(f"  - {each}" for each in lacking)]))
        self.lacking = lacking


class Run:
    """The stack that holds the mesh's trust, while it is changed step by step.

    Attributes:
        stack: the stack as it is declared now.
        say: told what happens.
    """

    stack: Stack
    say: Say

    def __init__(self, name: str, project: Path, seconds: float, say: Say) -> None:
        """Read the stack file; nothing else is asked yet.

        Args:
            name: the stack's name.
            project: folder of Pulumi.yaml.
            seconds: for how long something is waited for.
            say: told what happens, a sentence each.

        Raises:
            MeshConfigError: what it declares is wrong, or it holds no trust.
            PulumiError: Pulumi cannot decrypt the secrets in it.
        """
        self._name, self._project, self._seconds, self.say = name, project, seconds, say
        self._pulumi = PulumiStack(project, name, {})
        if group := stack_config(project, name).get(GROUP):
            cause = f"it brings up the clusters of group {group}, and holds no trust"
            raise MeshConfigError([Problem(f"stack {name}", cause, "Name the stack with trust and links")])
        self.stack = load_stack(name, project)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs.

        Raises:
            StoppedError: it was never brought up.
            PulumiError: Pulumi cannot say.
        """
        outputs = self._pulumi.outputs()
        if "root" not in outputs:
            raise StoppedError(f"stack {self._name} has no root", ["it was never brought up: `pulumi up` makes one"])
        return outputs

    def check_clusters(self) -> Held:
        """What every cluster holds, asked before anything is touched.

        Raises:
            StoppedError: one does not answer.
        """
        held = read_all_held(self.stack.accesses)
        away = [f"{name}: {each.reason}" for name, each in held.items() if isinstance(each, Unknown)]
        if away:
            raise StoppedError("a change of trust needs every cluster, and not all answer. Nothing was touched", away)
        return held

    def write(self, change: Callable[[StackEdit], None], what: str) -> Path:
        """Change the file that declares the mesh, if it still declares a sound one then.

        Args:
            change: what is changed.
            what: for messages: ``stage new-signs``.

        Returns:
            The file.

        Raises:
            StoppedError: it lacks what the change needs; it is as it was.
            MeshConfigError: it cannot be changed.
        """
        edit = StackEdit.open(self._project, self._name)
        change(edit)
        try:
            undecrypted(edit.get(""))
        except MeshConfigError as error:
            lacking = [str(problem) for problem in error.problems]
            raise StoppedError(f"{edit.path.name} lacks what {what} needs; it is as it was", lacking) from error
        edit.save()
        self.stack = load_stack(self._name, self._project)
        return edit.path

    def update(self) -> None:
        """`pulumi up`.

        Raises:
            PulumiError: it fails.
        """
        update(self._pulumi)

    def wait(self, judge: Callable[[Held], Sequence[Obstacle]], message: str) -> Held:
        """Wait until nothing stands against something.

        Args:
            judge: from what the clusters hold to what stands against it.
            message: what is said of it where it does not come about.

        Returns:
            What the clusters hold.

        Raises:
            StoppedError: it did not come about in time.
        """
        waited = wait_until_clear(self.stack.accesses, judge, self._seconds, lambda line: self.say(f"  {line}"))
        if waited.left:
            raise StoppedError(f"{message}, after {waited.seconds:.0f} s", told(waited.left))
        return waited.held
