"""The environment in which `pulumi`, `kubectl` and `istioctl` work on a lab."""

import os
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from cli.project import ROOT
from lab import Lab
from toolchain import Tool

ISTIO_CURRENT = "1.32-dev"
BESIDE_EACH_OTHER = ["pulumi", "pulumi-language-python", "pulumi-language-python-exec"]
PULUMI_TOOLS = [
    *BESIDE_EACH_OTHER,
    "pulumi-resource-tls",
    "pulumi-resource-kubernetes",
    "kubectl",
]
# A lab's secrets protect nothing beyond this machine; the salt in stacks/Pulumi.lab.yaml belongs to this passphrase.
LAB_PASSPHRASE = "lab"  # noqa: S105
CHARTS_FOLDER = ".charts"


def charts_tool(version: str) -> str:
    """Name of the tool that is the Helm charts of one Istio version."""
    return f"istio-charts@{version}"


def lab_environment(lab: Lab, tools: Mapping[str, Tool]) -> dict[str, str]:
    """What to set in a shell, so that everything a user knows of Pulumi and kubectl works on a lab.

    Args:
        lab: a lab that is up.
        tools: the tools that go first on PATH.
    """
    backend = lab.folder / "pulumi"
    backend.mkdir(parents=True, exist_ok=True)
    return {
        **pulumi_environment(lab.folder, tools),
        "KUBECONFIG": str(lab.merged_kubeconfig()),
        # Without metadata: a kill may leave their file empty beside a whole state, which Pulumi refuses then.
        "PULUMI_BACKEND_URL": f"file://{backend}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": LAB_PASSPHRASE,
        "SPANMESH_LAB": lab.name,
    }


def pulumi_environment(folder: Path, tools: Mapping[str, Tool]) -> dict[str, str]:
    """What to set in a shell, so that Pulumi and its plug-ins are those of the toolchain.

    Args:
        folder: where ``bin`` and ``pulumi-home`` are made.
        tools: the tools that go first on PATH.
    """
    programs = folder / "bin"
    _install_programs(programs, tools)
    others = [tool for tool in tools.values() if tool.path.is_file() and not tool.name.startswith("pulumi")]
    folders = [programs, ROOT / ".venv/bin", *(tool.path.parent for tool in others)]
    path = [*dict.fromkeys(str(folder) for folder in folders), os.environ.get("PATH", "")]
    home = folder / "pulumi-home"
    _install_plugins(home, tools)
    return {
        "PATH": os.pathsep.join(path),
        "PULUMI_HOME": str(home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The plug-ins are those of the toolchain: without this Pulumi would ask its download host for others.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def link_charts(tools: Mapping[str, Tool], project: Path = ROOT) -> None:
    """Put the charts of each Istio version at ``.charts/<version>``, where the lab's stack file looks for them."""
    folder = project / CHARTS_FOLDER
    folder.mkdir(exist_ok=True)
    for name, tool in tools.items():
        if not name.startswith("istio-charts@"):
            continue
        link = folder / name.split("@", 1)[1]
        if link.is_symlink() and link.readlink() == tool.path:
            continue
        # In one step: another command may do the same at this moment.
        made = link.with_name(f".{link.name}.{os.getpid()}")
        made.symlink_to(tool.path)
        made.replace(link)


def _install_programs(folder: Path, tools: Mapping[str, Tool]) -> None:
    """Put Pulumi's CLI, language host and its script side by side, as in a release: each looks beside itself."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BESIDE_EACH_OTHER:
        program = folder / name
        if name in tools and not (program.exists() and program.samefile(tools[name].path)):
            made = folder / f".{name}.{os.getpid()}"
            made.unlink(missing_ok=True)
            try:
                made.hardlink_to(tools[name].path)
            except OSError:  # another file system
                shutil.copy2(tools[name].path, made)
            # rename(2) does nothing where both are the same file by now.
            made.replace(program)
            made.unlink(missing_ok=True)


def _install_plugins(home: Path, tools: Mapping[str, Tool]) -> None:
    """Put the resource plug-ins where Pulumi keeps those that it installs itself, for the SDKs of this environment."""
    for tool in tools.values():
        prefix, _, package = tool.name.partition("pulumi-resource-")
        if prefix or not package:
            continue
        folder = home / "plugins" / f"resource-{package}-v{version(f'pulumi-{package}')}"
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / tool.path.name
        if not (link.is_symlink() and link.readlink() == tool.path):
            link.unlink(missing_ok=True)
            link.symlink_to(tool.path)
