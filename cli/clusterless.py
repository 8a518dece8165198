"""`pulumi preview` of a stack without its clusters, its secrets and its state: what a fork's pull request may run."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.pulumi import PulumiError
from cli.stack_files import FOLDER, own_name
from cli.stand_ins import group_state, unreachable_kubeconfig, with_stand_ins, without_secrets
from live.declaration import MESH, MESH_FILE, declared_mesh, refuse_plain_secrets
from topology import Mesh, load_mesh, members
from topology.division import GROUP

GRACE_SECONDS = 15
NOT_COPIED = (FOLDER, ".git")
# What would lead Pulumi to the user's state, or open it.
LEFT_OUT = ("PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_STACK")


@dataclass(frozen=True)
class Planned:
    """A resource that the stack has on empty clusters.

    Attributes:
        type: Pulumi's type, for example ``kubernetes:core/v1:Secret``.
        name: Pulumi's name.
        cluster: Istio's name of the cluster in which it would be; None: in none (certificates, components).
        labels: its Kubernetes labels.
    """

    type: str
    name: str
    cluster: str | None
    labels: Mapping[str, str]


@dataclass(frozen=True)
class ClusterlessPreview:
    """What `pulumi preview` said of a stack.

    Attributes:
        stack: the stack's name.
        seconds: how long `pulumi preview` took.
        clusters: Istio's names of the stack's clusters, in the order of the file.
        resources: what would be created.
        errors: why it failed; empty where it did not.
    """

    stack: str
    seconds: float
    clusters: tuple[str, ...]
    resources: tuple[Planned, ...]
    errors: tuple[str, ...]

    def in_cluster(self, name: str | None) -> int:
        """How many resources would be in one cluster; None: in none."""
        return sum(resource.cluster == name for resource in self.resources)


def preview_without_clusters(
    project: Path, stack: str, config: Mapping[str, Any], istio: Mapping[str, str]
) -> ClusterlessPreview:
    """Preview a stack in a throw-away copy of its project, with the real program and the real plug-ins.

    Kubeconfigs lead to a port that refuses, a provided root becomes a generated one, encrypted texts and other stacks
    get stand-ins; the state is a folder that is removed again, also when interrupted.

    Args:
        project: folder of Pulumi.yaml.
        stack: name of the stack; it need not exist.
        config: the stack file's ``config``.
        istio: ``version`` and ``charts`` to take in place of the declared ones; may be empty.

    Raises:
        MeshConfigError: what the stack declares is wrong.
        PulumiError: Pulumi is not there, or says what nobody understands.
    """
    refuse_plain_secrets(config.get(MESH), f"{MESH}.")
    plain = without_secrets(dict(config))
    declared: Any = declared_mesh(plain.get(MESH), plain.get(MESH_FILE), project)
    mesh = load_mesh(declared)
    clusters = members(mesh, plain.get(GROUP))
    with tempfile.TemporaryDirectory(prefix="spanmesh-preview-") as folder, _closed_port() as port, _ended_by_term():
        copy = _ThrowAway.make(project, Path(folder), own_name(stack))
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(unreachable_kubeconfig([cluster.name for cluster in mesh.clusters], port))
        plain.pop(MESH_FILE, None)
        plain[MESH] = with_stand_ins(declared, kubeconfig, istio)
        copy.write_stack_file(plain)
        copy.pulumi("stack", "init", copy.stack, "--no-select")
        if mesh.groups and GROUP not in plain:
            copy.stand_in_groups(mesh)
        return copy.preview([cluster.name for cluster in clusters])


@dataclass(frozen=True)
class _ThrowAway:
    """A copy of the project with a state of its own, both to be thrown away."""

    project: Path
    stack: str
    environment: Mapping[str, str]

    @classmethod
    def make(cls, source: Path, folder: Path, stack: str) -> "_ThrowAway":
        project, state, home, temporary = (folder / name for name in ("project", "state", "home", "temporary"))
        for made in (project / FOLDER, state, home, temporary):
            made.mkdir(parents=True)
        for entry in source.iterdir():
            if entry.name not in NOT_COPIED:
                (project / entry.name).symlink_to(entry.resolve() if entry.is_symlink() else entry.absolute())
        # Plug-ins are shared, so that they are fetched once; all else of Pulumi's home is the copy's own.
        plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        (home / "plugins").symlink_to(plugins.absolute())
        inherited = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        own = {
            "PULUMI_HOME": str(home),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(16),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "KUBECONFIG": str(folder / "kubeconfig"),
            "TMPDIR": str(temporary),
        }
        return cls(project, stack, {**inherited, **own})

    def write_stack_file(self, config: Mapping[str, Any]) -> None:
        path = self.project / FOLDER / f"Pulumi.{self.stack}.yaml"
        path.write_text(yaml.safe_dump({"config": dict(config)}, sort_keys=False))

    def stand_in_groups(self, mesh: Mesh) -> None:
        """Give the backend each group's stack, as if it were up: without it nothing would be linked."""
        name = yaml.safe_load((self.project / "Pulumi.yaml").read_text())["name"]
        for group, declared in mesh.groups.items():
            state = self.project.parent / f"group-{group}.json"
            stack = own_name(declared.stack)
            state.write_text(json.dumps(group_state(name, stack, mesh, group)))
            self.pulumi("stack", "init", stack, "--no-select")
            self.pulumi("stack", "import", "--stack", stack, "--file", str(state))

    def pulumi(self, *arguments: str) -> None:
        """A command that has to work."""
        ended = _run([_program(), *arguments, "--non-interactive"], self.project, self.environment)
        if ended.returncode:
            raise PulumiError(f"`pulumi {' '.join(arguments)}` failed:\n{ended.stderr or ended.stdout}")

    def preview(self, clusters: Sequence[str]) -> ClusterlessPreview:
        started = time.monotonic()
        command = [_program(), "preview", "--json", "--non-interactive", "--stack", self.stack]
        ended = _run(command, self.project, self.environment)
        seconds = time.monotonic() - started
        try:
            digest = json.loads(ended.stdout)
        except ValueError:
            digest = {}
        errors = [
            message["message"].strip() for message in digest.get("diagnostics") or [] if message["severity"] == "error"
        ]
        if ended.returncode and not errors:
            errors = [(ended.stderr or ended.stdout).strip()]
        steps = [step for step in digest.get("steps") or [] if step["op"] == "create"]
        return ClusterlessPreview(
            self.stack,
            seconds,
            tuple(clusters),
            tuple(_planned(step) for step in steps),
            tuple(errors if ended.returncode else ()),
        )


def _planned(step: Mapping[str, Any]) -> Planned:
    state = step["newState"]
    provider = state.get("provider", "").split("::")
    # A provider's reference ends in ::<name>::<id>, and its name is the cluster's.
    of_cluster = len(provider) > 2 and provider[-3].endswith("pulumi:providers:kubernetes")
    metadata = state.get("inputs", {}).get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    cluster = provider[-2] if of_cluster else None
    return Planned(state["type"], state["urn"].split("::")[-1], cluster, labels if isinstance(labels, Mapping) else {})


def _program() -> str:
    program = shutil.which("pulumi")
    if program is None:
        raise PulumiError(
            "there is no `pulumi` on PATH. Install it (https://www.pulumi.com/docs/install), "
            'or run `eval "$(./spanmesh env)"` where a lab is up'
        )
    return program


def _run(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Pulumi to its end; when this process is interrupted, let Pulumi end its plug-ins first."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C would reach Pulumi and its plug-ins at once otherwise, and those would not wait for each other.
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate()
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


@contextmanager
def _closed_port() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that refuses, and that nobody else is given meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def _ended_by_term() -> Iterator[None]:
    """SIGTERM, by which a CI job is cancelled, ends this process as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
