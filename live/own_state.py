"""The state of the stack that runs, within a Pulumi program: the engine reads it, in about 0.2 s."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pulumi


class UnreadableStateError(Exception):
    """The engine does not give the stack's state; the message is its own."""


@cache
def own_resources(stack: str) -> Mapping[str, Mapping[str, Any]]:
    """Every resource of the last update, with ``type`` and ``outputs`` (absent: none), by its URN.

    The engine is asked once: a program runs within one update, and the last one stays what it was.

    Args:
        stack: the stack's name.

    Raises:
        UnreadableStateError: the engine does not say.
    """
    try:
        answer = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value
    except Exception as error:  # the engine's errors have no type of their own
        raise UnreadableStateError(str(error)) from error
    resources: Mapping[str, Mapping[str, Any]] = answer["outputs"]
    return resources
