"""Texts that do not stand in the stack file itself: read where it says, kept in memory only."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import yaml

from topology import MeshConfigError, Problem
from topology.source import Source

StackOutputs = Callable[[str], Mapping[str, Any]]


class StackOutputsError(Exception):
    """The outputs of a stack cannot be read; the message says why, in Pulumi's words."""


class Sources:
    """Reads the sources of one stack file; what it has read of another stack is asked for once."""

    def __init__(self, project: Path, stack_outputs: StackOutputs) -> None:
        """Nothing is read yet.

        Args:
            project: folder of Pulumi.yaml, where relative paths start.
            stack_outputs: from a stack's name to its outputs, secret ones in plain; raises StackOutputsError.
        """
        self.project = project
        self._stack_outputs = stack_outputs
        self._read: dict[str, Mapping[str, Any]] = {}

    def read(self, source: Source, key: str) -> str:
        """The text.

        Args:
            source: where it is; exactly one way is given (topology/checks has seen to that).
            key: the source's key path, for messages.

        Raises:
            MeshConfigError: it is not there. Nothing of its content is quoted.
        """
        if source.secret is not None:
            return self._filled(source.secret, f"{key}.secret", "the secret")
        if source.env is not None:
            cure = f"Set the environment variable {source.env} to the text itself, not to a path"
            return self._filled(os.environ.get(source.env, ""), f"{key}.env", f"${source.env}", cure)
        if source.stack is not None and source.output is not None:
            return self._output(source.stack, source.output, key)
        return self._file(source.path or "", f"{key}.path")

    def file(self, path: str) -> Path:
        """Where a path of the stack file leads."""
        return self.project / Path(path).expanduser()

    def _file(self, path: str, key: str) -> str:
        at = self.file(path)
        try:
            text = at.read_text()
        except OSError as error:
            raise fault(
                key, f"cannot read {at}: {error.strerror}", "Correct the path, or name another source"
            ) from error
        except UnicodeDecodeError:
            raise fault(key, f"{at} is not text", "Give a file in UTF-8, PEM for certificates and keys") from None
        return self._filled(text, key, str(at))

    def _output(self, stack: str, output: str, key: str) -> str:
        if stack not in self._read:
            try:
                self._read[stack] = self._stack_outputs(stack)
            except StackOutputsError as error:
                raise fault(
                    f"{key}.stack",
                    f"the outputs of stack {stack} cannot be read: {error}",
                    "Give organization/project/stack as `pulumi stack ls --all` shows it, and that stack's passphrase "
                    "or key. A backend without organizations calls its own `organization`",
                ) from error
        value: Any = self._read[stack]
        if output in value:
            value = value[output]
        else:
            for step in output.split("."):
                if not isinstance(value, Mapping) or step not in value:
                    names = ", ".join(sorted(self._read[stack])) or "none"
                    cause = f"stack {stack} has no output {output}"
                    raise fault(f"{key}.output", cause, f"Outputs there: {names}. `pulumi up` of that stack makes them")
                value = value[step]
        if value == {}:
            # What the engine gives for a secret that it cannot decrypt.
            cause = f"output {output} of stack {stack} is empty, or a secret that cannot be decrypted here"
            raise fault(f"{key}.output", cause, f"Give Pulumi the passphrase or key of {stack} too")
        # Some providers give a kubeconfig out as an object.
        text = yaml.safe_dump(value) if isinstance(value, Mapping) else value
        if not isinstance(text, str):
            raise fault(f"{key}.output", f"output {output} of stack {stack} is no text", "Name an output that is")
        return self._filled(text, f"{key}.output", f"output {output} of stack {stack}")

    @staticmethod
    def _filled(text: str, key: str, where: str, cure: str = "Put the text there") -> str:
        if not text.strip():
            raise fault(key, f"{where} is empty", cure)
        return text


def engine_stack_outputs(name: str) -> Mapping[str, Any]:
    """Outputs of another stack, within a Pulumi program: the engine reads them, from the program's own backend.

    This is the invoke behind StackReference; unlike that resource it leaves nothing in the state, and its answer is
    there at once, as a kubeconfig is needed before anything is declared.

    Args:
        name: organization/project/stack, or the name alone of a stack of the same project.

    Raises:
        StackOutputsError: no such stack, or it cannot be decrypted.
    """
    try:
        answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value
    except Exception as error:
        raise StackOutputsError(str(error).rsplit("returned an error: ", 1)[-1]) from error
    return dict(answer["outputs"])


def fault(key: str, cause: str, cure: str) -> MeshConfigError:
    """The error of one key."""
    return MeshConfigError([Problem(key, cause, cure)])
