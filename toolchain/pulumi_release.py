"""The official Pulumi CLI and its plug-ins, by Pulumi's own installers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pulumi.automation import PulumiCommand
from semver import VersionInfo

from toolchain.catalogue import FromPulumiPlugin
from toolchain.downloads import DownloadError

INSTALL_SECONDS = 600


def install_cli(version: str, folder: Path) -> Path:
    """Have ``pulumi.automation`` install the CLI below ``folder``.

    Returns:
        The folder with its programs, among them the language hosts.

    Raises:
        DownloadError: the installer could not.
    """
    for needed in ("curl", "tar"):
        if shutil.which(needed) is None:
            raise DownloadError(f"Pulumi's installer needs {needed}, which is not on PATH")
    # In a process of its own, because the installer sets no time limit itself.
    _run([sys.executable, "-m", "toolchain.pulumi_release", str(folder), version], "Pulumi's installer", {})
    return folder / "bin"


def install_plugin(pulumi: Path, plugin: FromPulumiPlugin, version: str, folder: Path) -> Path:
    """Have `pulumi plugin install` fetch a resource plug-in below ``folder``.

    Returns:
        The plug-in's program.

    Raises:
        DownloadError: the installer could not.
    """
    command = [
        str(pulumi),
        "plugin",
        "install",
        "resource",
        plugin.resource,
        version,
        "--exact",
        "--server",
        plugin.server,
    ]
    home = folder / ".home"
    env = {"PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    _run([*command, "--non-interactive"], f"`{' '.join(command)}`", env)
    return home / "plugins" / f"resource-{plugin.resource}-v{version}" / f"pulumi-resource-{plugin.resource}"


def _run(command: list[str], what: str, env: dict[str, str]) -> None:
    try:
        ran = subprocess.run(
            command, env=os.environ | env, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as cause:
        raise DownloadError(f"{what} did not end within {INSTALL_SECONDS} s") from cause
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip().splitlines()
        raise DownloadError(f"{what}: {said[-1] if said else f'exit code {ran.returncode}'}")


def main() -> None:
    """Install the CLI: ``python -m toolchain.pulumi_release FOLDER VERSION``."""
    folder, version = sys.argv[1:]
    try:
        PulumiCommand.install(root=folder, version=VersionInfo.parse(version))
    except subprocess.CalledProcessError as cause:
        said = (cause.output or b"").decode(errors="replace").strip().splitlines()
        sys.exit(f"install.sh ended with {cause.returncode}: {said[-1] if said else 'no output'}")
    except OSError as cause:
        sys.exit(str(getattr(cause, "reason", cause)))


if __name__ == "__main__":
    main()
