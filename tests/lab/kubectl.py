"""kubectl on one region of a lab, and commands in the network namespaces of its machines."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import Lab
from lab.plan import namespace_prefix
from toolchain import Toolchain


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the kubeconfig of one region."""

    program: Path
    kubeconfig: Path

    @classmethod
    def of(cls, lab: Lab, region: str) -> "Kubectl":
        """kubectl on this region of this lab."""
        return cls(Toolchain().ensure(["kubectl"])["kubectl"].path, lab.kubeconfig(region))

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it to a good end and return what it printed."""
        command = [str(self.program), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """What `get -o json` says."""
        return json.loads(self("get", *arguments, "-o", "json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects."""
        self("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def in_machine(lab: Lab, machine: str, *command: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a command in the network of one of a lab's machines (or of `wan`)."""
    enter = ["nsenter", f"--net=/run/netns/{namespace_prefix(lab.name)}{machine}"]
    return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=timeout, check=False)


def http(lab: Lab, machine: str, url: str) -> str:
    """The answer to one request from a machine's network; empty if there is none within 2 s."""
    return in_machine(lab, machine, "curl", "-s", "-m", "2", url).stdout


def eventually(what: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def web_server(name: str, text: str, *, host_network: bool = False, port: int = 8080) -> dict[str, Any]:
    """A pod that answers every request with a text, labelled `app: <name>`."""
    serve = f"mkdir -p /tmp/www && echo {text} > /tmp/www/index.html && exec httpd -f -p {port} -h /tmp/www"
    container = {
        "name": "web",
        "image": "localhost/sample:1",
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", serve],
        "readinessProbe": {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1},
    }
    spec = {"hostNetwork": host_network, "containers": [container], "terminationGracePeriodSeconds": 0}
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def service(name: str, app: str, **spec: Any) -> dict[str, Any]:
    """A Service in front of `app`, port 80 to 8080 unless the spec says otherwise."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    full = {"selector": {"app": app}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": full}
