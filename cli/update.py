"""`pulumi up` for commands that change the stack file, and what an earlier one that was killed left in its way."""

import os
import re
import socket
from collections.abc import Sequence
from contextlib import suppress

from cli.console import step
from cli.pulumi import PulumiError, PulumiStack
from live.state.deployment import name_of

# As Pulumi's own backends say it (pulumi: pkg/backend/diy/lock.go).
LOCKED = "the stack is currently locked by"
HOLDER = re.compile(r"created by \S+@(?P<host>\S+) \(pid (?P<pid>\d+)\)")
# And Pulumi Cloud.
ANOTHER = "Another update is currently in progress"


def update(stack: PulumiStack) -> None:
    """`pulumi up` without asking; what it prints goes to standard error.

    The lock of a Pulumi of this machine that does not run any more is removed: nobody else can be using it. Where a run
    was killed in the middle of something, the clusters are read first: what it did may be unknown to the state, which
    would then take an object for one that is as declared.

    Raises:
        PulumiError: it fails, with the cure where that is known; else why stands above.
    """
    options = _options(stack)
    code, printed = _up(stack, options)
    if code and LOCKED in printed:
        holders = {(found["host"], int(found["pid"])) for found in HOLDER.finditer(printed)}
        if not holders or not all(host == socket.gethostname() and not _runs(pid) for host, pid in holders):
            raise PulumiError(_locked(stack, ", ".join(f"pid {pid} on {host}" for host, pid in sorted(holders))))
        step("The state is locked by a Pulumi that was killed: removing its lock")
        stack.shown("cancel", "--yes")
        code, printed = _up(stack, options)
    if code and (LOCKED in printed or ANOTHER in printed):
        raise PulumiError(_locked(stack, ""))
    if code:
        raise PulumiError(f"`pulumi up` of stack {stack.name} failed; why stands above")


def _options(stack: PulumiStack) -> list[str]:
    broken_off = stack.read("stack", "export")["deployment"].get("pending_operations")
    if not broken_off:
        return []
    names = ", ".join(name_of(each["resource"]["urn"]) for each in broken_off)
    step(f"An earlier run broke off in the middle of {names}: the clusters are read first")
    return ["--refresh"]


def _up(stack: PulumiStack, options: Sequence[str]) -> tuple[int, str]:
    quiet = ("--suppress-outputs", "--suppress-progress", "--suppress-permalink=true")
    return stack.shown("up", "--yes", "--skip-preview", *quiet, *options)


def _locked(stack: PulumiStack, who: str) -> str:
    by = f" by {who}" if who else ""
    return (
        f"the state of stack {stack.name} is locked{by}: another update runs, or was killed. Wait for it; if it "
        f"does not run any more, `pulumi cancel --stack {stack.name}`"
    )


def _runs(pid: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
