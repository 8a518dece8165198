"""The lab's packages of the distribution: which are missing, and their installation by apt-get."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from toolchain.cache import raise_if_disk_full
from toolchain.catalogue import Catalogue, SystemPackage, read_catalogue
from toolchain.errors import ToolError

LOCK_SECONDS = 300
POLICY = Path("/usr/sbin/policy-rc.d")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing_packages(
    catalogue: Catalogue | None = None, needed_by: Literal["demo", "tests"] = "demo"
) -> list[SystemPackage]:
    """Packages of which nothing that they provide is on this machine, whoever installed it.

    Args:
        catalogue: the list; default is ``tools.yaml``.
        needed_by: those that every lab needs, or those that only tests need.
    """
    search = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"

    def there(thing: str) -> bool:
        return Path(thing).exists() if thing.startswith("/") else shutil.which(thing, path=search) is not None

    wanted = [entry for entry in (catalogue or read_catalogue()).system if entry.needed_by == needed_by]
    return [entry for entry in wanted if not any(map(there, entry.provides))]


def ensure_packages(
    note: Callable[[str], None],
    catalogue: Catalogue | None = None,
    needed_by: Literal["demo", "tests"] = "demo",
) -> list[str]:
    """Install what is missing, in one call of apt-get; services that come along neither start nor get enabled.

    Args:
        note: told what is going to be installed.
        catalogue: the list; default is ``tools.yaml``.
        needed_by: those that every lab needs, or those that only tests need.

    Returns:
        Names of the packages that were missing.

    Raises:
        ToolError: not root, no apt-get, or apt-get failed.
    """
    missing = [entry.package for entry in missing_packages(catalogue, needed_by)]
    if not missing:
        return []
    if not _has("apt-get"):
        programs = ", ".join(entry.provides[0] for entry in missing_packages(catalogue, needed_by))
        who = "the lab needs" if needed_by == "demo" else "tests need"
        raise ToolError(
            f"{who} {programs}, and this is not Debian or Ubuntu: install them with its package manager "
            f"(on Debian they come in the packages {' '.join(missing)}), then run this again"
        )
    if os.geteuid() != 0:
        raise ToolError(f"system packages are missing: run `sudo apt-get install {' '.join(missing)}`, then this again")
    note(f"installing system packages: {' '.join(missing)}")
    before = _installed()
    with _no_services_started():
        try:
            _apt("update")
        except ToolError as cause:
            note(f"apt-get update failed, going on with the lists that are there: {cause}")
        _apt("install", "-y", "--no-install-recommends", *missing)
    _disable_services(_installed() - before)
    if rest := [entry.package for entry in missing_packages(catalogue, needed_by)]:
        raise ToolError(f"apt-get installed {' '.join(missing)}, but nothing of {' '.join(rest)} is there")
    return missing


def _apt(*arguments: str) -> None:
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l", "LC_ALL": "C"}
    command = ["apt-get", "-q", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", *arguments]
    ran = subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        lines = ran.stdout.splitlines()
        if any("No space left" in line or "enough free space" in line for line in lines):
            raise_if_disk_full(["no space left on device"])
        tail = "\n".join(f"    {line}" for line in lines[-20:])
        raise ToolError(f"`{' '.join(command)}` ended with {ran.returncode}:\n{tail}")


@contextmanager
def _no_services_started() -> Iterator[None]:
    """Have package scripts start no service meanwhile, by the means Debian has for it: policy-rc.d."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\n# Put here by spanmesh for the time of one apt-get.\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _installed() -> set[str]:
    ran = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\n"], capture_output=True, text=True, check=True
    )
    return {line.split("\t")[1] for line in ran.stdout.splitlines() if line.startswith("ii")}


def _disable_services(packages: set[str]) -> None:
    """Packages enable their services for the next boot: undo that for those that came just now."""
    now = ["--now"] if Path("/run/systemd/system").exists() else []
    # Where systemd itself is not installed, Debian's helper has enabled the units all the same.
    disable = ["systemctl", "disable", *now] if _has("systemctl") else ["deb-systemd-helper", "disable"]
    for package in sorted(packages):
        files = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True).stdout.splitlines()
        units = [Path(file).name for file in files if "/systemd/system/" in file and file.endswith(".service")]
        scripts = [Path(file).name for file in files if file.startswith("/etc/init.d/")]
        commands = [[*disable, unit] for unit in units if "@" not in unit]
        commands += [["update-rc.d", script, "disable"] for script in scripts]
        for command in commands:
            if not _has(command[0]):
                continue
            # The helper wants to know for which package it acts.
            env = os.environ | {"DPKG_MAINTSCRIPT_PACKAGE": package}
            ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            if ran.returncode != 0:
                sys.stderr.write(f"spanmesh: `{' '.join(command)}` failed: {ran.stderr.strip()}\n")


def _has(program: str) -> bool:
    return shutil.which(program, path=SYSTEM_PATH) is not None
