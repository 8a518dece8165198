"""`pulumi up` where an earlier one was killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.pulumi import PulumiError, PulumiStack
from cli.update import update

LOCKED = "error: the stack is currently locked by 1 lock(s). Either wait or delete the lock file with `pulumi cancel`."


EXPORTED = '{"deployment": {"pending_operations": [%s]}}'
CACERTS = '{"resource": {"urn": "urn:pulumi:test::spanmesh::kubernetes:core/v1:Secret::mesh-cacerts"}}'


def stack(folder: Path, script: str, pending: str = "") -> PulumiStack:
    """A stack whose Pulumi is a shell script, but for what it exports."""
    program = folder / "pulumi"
    export = f"if [ $1 = stack ]; then echo '{EXPORTED % pending}'; exit; fi"
    program.write_text(f"#!/bin/sh\n{export}\n{script}\n")
    program.chmod(0o755)
    return PulumiStack(folder, "test", {"PATH": f"{folder}:/usr/bin:/bin"})


def locked(folder: Path, host: str, pid: int) -> PulumiStack:
    """A stack that is locked until its lock is removed."""
    (folder / "lock").touch()
    return stack(
        folder,
        f"""
        case $1 in
        cancel) rm lock; echo "$@" >cancelled ;;
        up) if [ -e lock ]; then echo '{LOCKED}'; echo '  x.json: created by root@{host} (pid {pid}) at now'; exit 255
            else touch done; fi ;;
        esac""",
    )


def ended_pid() -> int:
    """The number of a process that does not run any more."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_the_lock_of_a_killed_pulumi_of_this_machine_is_removed(tmp_path: Path) -> None:
    update(locked(tmp_path, socket.gethostname(), ended_pid()))
    assert (tmp_path / "done").exists()
    assert (tmp_path / "cancelled").read_text().startswith("cancel --yes --stack test")


@pytest.mark.parametrize(("host", "runs"), [("elsewhere", False), (socket.gethostname(), True)])
def test_the_lock_of_another_machine_or_of_a_pulumi_that_runs_is_left_and_the_cure_named(
    tmp_path: Path, host: str, runs: bool
) -> None:
    pid = os.getpid() if runs else ended_pid()
    with pytest.raises(PulumiError, match=rf"locked by pid {pid} on {host}.*pulumi cancel --stack test"):
        update(locked(tmp_path, host, pid))
    assert not (tmp_path / "cancelled").exists()


@pytest.mark.parametrize(("pending", "refreshes"), [("", False), (CACERTS, True)], ids=["whole", "broken off"])
def test_after_a_run_that_broke_off_the_clusters_are_read_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], pending: str, refreshes: bool
) -> None:
    update(stack(tmp_path, 'echo "$@" >ran', pending))
    assert ("--refresh" in (tmp_path / "ran").read_text().split()) == refreshes
    said = " ".join(capfd.readouterr().err.split())
    assert ("An earlier run broke off in the middle of mesh-cacerts" in said) == refreshes


def test_an_update_that_fails_is_shown_and_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PulumiError, match="`pulumi up` of stack test failed"):
        update(stack(tmp_path, "echo 'error: no such thing'; exit 255"))
    assert "    error: no such thing\n" in capfd.readouterr().err


def test_ctrl_c_lets_pulumi_end_what_it_has_begun(tmp_path: Path) -> None:
    stack(tmp_path, "trap 'sleep 1; echo ended; touch ended; exit 1' INT; touch begun; while :; do sleep 0.1; done")
    program = (
        "from pathlib import Path; from cli.pulumi import PulumiStack; "
        f"PulumiStack(Path({str(tmp_path)!r}), 'test', {{'PATH': '{tmp_path}:/usr/bin:/bin'}}).shown('up')"
    )
    with subprocess.Popen([sys.executable, "-c", program], start_new_session=True, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate()
    assert (tmp_path / "ended").exists()
    assert b"KeyboardInterrupt" in said
    assert b"    ended" in said
