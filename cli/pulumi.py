"""Running the Pulumi CLI on one stack."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class PulumiError(Exception):
    """A Pulumi command that failed."""


@dataclass(frozen=True)
class PulumiStack:
    """One stack of a project, in a given environment.

    Attributes:
        project: folder of Pulumi.yaml.
        name: the stack's name.
        environment: what is set besides this process's own environment.
    """

    project: Path
    name: str
    environment: Mapping[str, str]

    def run(self, *arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
        """Run `pulumi ARGUMENTS --stack NAME`.

        Args:
            arguments: command and flags.
            capture: keep both outputs, as one text, instead of showing Pulumi's own display.
        """
        if capture:
            return self._run(*arguments, "--non-interactive", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return self._run(*arguments)

    def shown(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end, and show on standard error line by line what it prints.

        Ctrl-C reaches Pulumi too, which then ends what it has begun: it is waited for, or its lock would stay.

        Args:
            arguments: command and flags.

        Returns:
            Its exit code, and what it printed.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed, and Pulumi has ended.
        """
        lines: list[str] = []
        interrupted = False
        with (
            self._whole_environment() as environment,
            subprocess.Popen(
                [self._program(), *arguments, "--stack", self.name, "--non-interactive"],
                cwd=self.project,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            while True:
                try:
                    for line in process.stdout:
                        lines.append(line)
                        if line.strip():
                            print(f"    {line}", end="", file=sys.stderr, flush=True)  # noqa: T201
                    process.wait()
                    break
                except KeyboardInterrupt:
                    interrupted = True
        if interrupted:
            raise KeyboardInterrupt
        return process.returncode, "".join(lines)

    def select(self) -> subprocess.CompletedProcess[str]:
        """Make the stack where there is none, and select it."""
        return self.run("stack", "select", "--create", capture=True)

    @staticmethod
    def selected(project: Path) -> str | None:
        """Name of the stack that is selected in a project; None where none is, or where Pulumi is not installed."""
        try:
            ended = subprocess.run(
                ["pulumi", "stack", "--show-name", "--non-interactive"],
                cwd=project,
                check=False,
                capture_output=True,
                text=True,
            )
        except FileNotFoundError:
            return None
        return ended.stdout.strip() or None

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs.

        Raises:
            PulumiError: Pulumi cannot say.
        """
        return dict(self.read("stack", "output", "--json"))

    def read(self, *arguments: str) -> Any:
        """What a command prints as JSON. Its warnings are no part of that: they go on to standard error.

        Raises:
            PulumiError: the command fails; why stands on standard error.
        """
        ended = self._run(*arguments, "--non-interactive", stdout=subprocess.PIPE)
        if ended.returncode:
            raise PulumiError(f"`pulumi {' '.join(arguments)}` of stack {self.name} failed; why stands above")
        return json.loads(ended.stdout)

    def feed(self, text: str, *arguments: str) -> str:
        """Run a command that reads a text from standard input, and return what it printed.

        Args:
            text: what it reads: the way for what may stand neither among the arguments nor in a file.
            arguments: command and flags.

        Raises:
            PulumiError: the command fails, with what it printed.
        """
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        ended = self._run(*arguments, "--non-interactive", input=text, **streams)
        if ended.returncode:
            raise PulumiError(f"`pulumi {' '.join(arguments)}` of stack {self.name} failed:\n{ended.stdout.strip()}")
        return ended.stdout

    def preview(self, *arguments: str) -> dict[str, Any]:
        """What a preview says, as JSON: secrets are hidden.

        Args:
            arguments: more flags.

        Raises:
            PulumiError: the preview fails, with its errors.
        """
        ended = self._run("preview", "--json", *arguments, "--non-interactive", capture_output=True)
        try:
            said: dict[str, Any] = json.loads(ended.stdout)
        except ValueError:
            said = {}
        if ended.returncode:
            messages = [each["message"] for each in said.get("diagnostics") or [] if each["severity"] == "error"]
            why = "\n".join(message.strip() for message in messages) or (ended.stderr or ended.stdout).strip()
            raise PulumiError(f"`pulumi preview` of stack {self.name} failed:\n{why}")
        return said

    def _run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [self._program(), *arguments, "--stack", self.name]
        with self._whole_environment() as environment:
            return subprocess.run(command, cwd=self.project, env=environment, check=False, text=True, **options)

    @contextmanager
    def _whole_environment(self) -> Iterator[dict[str, str]]:
        # The Kubernetes provider leaves every kubeconfig in the folder for temporary files, in plain text:
        # pulumi-kubernetes, provider/pkg/provider/util.go, writeKubeconfigToFile.
        own = {**os.environ, **self.environment}
        with tempfile.TemporaryDirectory(prefix="spanmesh-", dir=own.get("TMPDIR"), ignore_cleanup_errors=True) as made:
            yield {**own, "TMPDIR": made}

    def _program(self) -> str:
        # The one on the lab's PATH, not the one on ours.
        for folder in self.environment.get("PATH", "").split(os.pathsep):
            if (program := Path(folder) / "pulumi").is_file():
                return str(program)
        return "pulumi"
