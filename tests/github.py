"""Enough of GitHub Actions to run the project's workflow here: expressions, contexts, and the steps of a job.

What is not known is refused, so that a workflow which outgrows this fails its tests and is not half tested.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cli.project import ROOT

WORKFLOW = ROOT / ".github/workflows/mesh.yaml"
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
# `shell: bash` (docs.github.com, workflow syntax, "Exit codes and error action preference").
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
NOTHING_TO_DO = ("actions/checkout", "actions/setup-python")
# Inputs of pulumi/actions that say what is printed where on GitHub, or which Pulumi is fetched: no part of the command.
NOT_OF_THE_COMMAND = {"pulumi-version", "cloud-url", "comment-on-pr", "edit-pr-comment", "comment-on-summary"}
COMMANDS = {"preview": ["preview"], "up": ["up", "--yes", "--skip-preview"]}


def load_workflow() -> dict[Any, Any]:
    """The workflow, its anchors resolved."""
    return dict(yaml.safe_load(WORKFLOW.read_text()))


class Context(dict[str, Any]):
    """An object of an expression: what it does not have is null, as on GitHub."""

    def __getattr__(self, name: str) -> Any:
        value = self.get(name)
        return Context(value) if isinstance(value, dict) else Context() if value is None else value

    def __bool__(self) -> bool:
        return len(self) > 0


class Items(list[Any]):
    """An array of an expression: beyond its end is null."""

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(index) if index < len(self) else None


def _from_json(text: str) -> Any:
    def wrapped(value: Any) -> Any:
        if isinstance(value, dict):
            return Context({key: wrapped(inner) for key, inner in value.items()})
        return Items(wrapped(inner) for inner in value) if isinstance(value, list) else value

    return wrapped(json.loads(text))


def evaluate(expression: str, contexts: Mapping[str, Any]) -> Any:
    """The value of an expression: contexts, ``fromJSON``, the status functions of a run in which nothing failed."""
    python = expression.replace("&&", " and ").replace("||", " or ").replace("null", "None")
    python = re.sub(r"!(?!=)", " not ", python)
    # Names with a dash are no Python; the workflow has them only as keys.
    functions = {"fromJSON": _from_json, "failure": lambda: False, "cancelled": lambda: False}
    names = {name: Context(value) for name, value in contexts.items()}
    value = eval(" ".join(python.split()), {"__builtins__": {}}, {**functions, **names})  # noqa: S307 - the project's own file
    return None if isinstance(value, Context) and not value else value


def filled(value: Any, contexts: Mapping[str, Any]) -> Any:
    """A value of the workflow with every ``${{ … }}`` in it replaced."""
    if isinstance(value, dict):
        return {key: filled(inner, contexts) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    if whole := EXPRESSION.fullmatch(value):
        return evaluate(whole[1], contexts)
    return EXPRESSION.sub(lambda found: str(evaluate(found[1], contexts) or ""), value)


def runs(job: Mapping[str, Any], contexts: Mapping[str, Any]) -> bool:
    """Whether a job runs at all."""
    return bool(evaluate(str(job["if"]), contexts)) if "if" in job else True


def stacks(job: Mapping[str, Any], contexts: Mapping[str, Any]) -> list[str]:
    """The stacks of a job's matrix."""
    return list(filled(job["strategy"]["matrix"]["stack"], contexts))


@dataclass
class Runner:
    """Runs jobs in a checkout.

    Attributes:
        checkout: the working tree.
        environment: environment of the machine.
        contexts: ``github``, ``vars``, ``secrets``, ``needs``.
        replaced: environment variables of steps to take another value than the workflow's.
    """

    checkout: Path
    environment: Mapping[str, str]
    contexts: dict[str, Any]
    replaced: dict[str, str] = field(default_factory=dict)

    @property
    def temporary(self) -> Path:
        """RUNNER_TEMP: emptied before a job here, and after it too by a real runner."""
        return self.checkout.parent / "temporary"

    def run(self, name: str, stack: str | None = None) -> dict[str, str]:
        """Run the steps of a job, each of which has to work.

        Args:
            name: the job.
            stack: the element of its matrix.

        Returns:
            What the steps printed, by their names (or commands); and the job's outputs and summary.
        """
        workflow = load_workflow()
        job = workflow["jobs"][name]
        files = {key: self.checkout.parent / key for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.write_text("")
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()
        contexts = {**self.contexts, "matrix": {"stack": stack}, "runner": {"temp": str(self.temporary)}}
        contexts["env"] = {key: filled(value, contexts) for key, value in workflow["env"].items()}
        printed: dict[str, str] = {}
        for step in job["steps"]:
            own = {**workflow["env"], **job.get("env", {}), **step.get("env", {})}
            given = {key: str(value) for key, value in filled(own, contexts).items() if value is not None}
            environment = {**self.environment, **{k: str(v) for k, v in files.items()}, **given}
            environment |= {key: value for key, value in self.replaced.items() if key in given}
            for command in self._commands(step, contexts):
                ended = subprocess.run(
                    command,
                    cwd=self.checkout,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                )
                title = str(filled(step.get("name") or step.get("run"), contexts))
                printed[title] = printed.get(title, "") + ended.stdout
                assert ended.returncode == 0, f"{name}: {title}: {ended.stdout}"
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        return {**printed, **outputs, "summary": files["GITHUB_STEP_SUMMARY"].read_text()}

    def _commands(self, step: Mapping[str, Any], contexts: Mapping[str, Any]) -> list[list[str]]:
        if "run" in step:
            return [[*BASH, step["run"]]]
        action, inputs = step["uses"].split("@")[0], filled(step.get("with", {}), contexts)
        if action in NOTHING_TO_DO:
            return []
        assert action == "pulumi/actions", f"no one here knows what {action} does"
        return pulumi_commands(inputs)


def pulumi_commands(inputs: Mapping[str, Any]) -> list[list[str]]:
    """What pulumi/actions v7.0.0 runs for its inputs: a log-in, then the command of Pulumi's Automation API."""
    if "command" not in inputs:
        return [["pulumi", "version"]]
    login = ["pulumi", "--non-interactive", "login", *([inputs["cloud-url"]] if inputs.get("cloud-url") else [])]
    command = ["pulumi", *COMMANDS[inputs["command"]], "--non-interactive", "--stack", inputs["stack-name"]]
    for name, value in inputs.items():
        if name in ("diff", "suppress-outputs"):
            command += [f"--{name}"] if value else []
        elif name not in ("command", "stack-name"):
            assert name in NOT_OF_THE_COMMAND, f"no one here knows what the input {name} of pulumi/actions does"
    return [login, command]


def inherited_environment() -> dict[str, str]:
    """This process's environment without what it would tell Pulumi."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
