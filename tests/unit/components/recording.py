"""A Pulumi engine that only records what a program registers."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pulumi

FAKE_TOKEN = {"token": "c2VjcmV0LXRva2Vu", "ca.crt": "Y2E="}
ADDRESSES = {"cluster1": "203.0.113.101", "cluster2": "203.0.113.102", "cluster3": "203.0.113.103"}


@dataclass(frozen=True)
class Registered:
    """One resource as it was registered."""

    type: str
    name: str
    inputs: dict[str, Any]
    provider: str


class Recorder(pulumi.runtime.Mocks):
    """Keeps every registration, and answers as the real providers would."""

    def __init__(self) -> None:
        self.resources: list[Registered] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.resources.append(Registered(args.typ, args.name, args.inputs, args.provider or ""))
        outputs = dict(args.inputs)
        if args.typ == "tls:index/privateKey:PrivateKey":
            outputs |= {"privateKeyPem": f"KEY {args.name}", "privateKeyPemPkcs8": f"PKCS8 {args.name}"}
        if args.typ.startswith("tls:") and args.typ.endswith("Cert"):
            outputs |= {"certPem": f"CERT {args.name}", "validityEndTime": "2036-01-01T00:00:00Z"}
        if args.typ.endswith(":CertRequest"):
            outputs |= {"certRequestPem": f"REQUEST {args.name}"}
        if args.inputs.get("type") == "kubernetes.io/service-account-token":
            outputs["data"] = FAKE_TOKEN
        if args.inputs.get("spec", {}).get("type") == "LoadBalancer":
            cluster = (args.provider or "").rsplit("::", 2)[-2]
            outputs["status"] = {"loadBalancer": {"ingress": [{"ip": ADDRESSES[cluster]}]}}
        return f"{args.name}-id", outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        raise AssertionError(f"no invoke is expected, got {args.token}")

    def of(self, kind: str) -> list[Registered]:
        """What was registered of one type, by the end of the type's token."""
        return [r for r in self.resources if r.type.split(":")[-1] == kind]

    def named(self, name: str) -> Registered:
        """The one resource with this Pulumi name."""
        (found,) = [r for r in self.resources if r.name == name]
        return found


def opened(value: Any) -> Any:
    """What a secret holds; fails where the value is not marked as a secret."""
    assert value["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270"
    return value["value"]


def record(program: Callable[[], Any], *, preview: bool = False) -> tuple[Recorder, Any]:
    """Run a program against a recorder.

    Args:
        program: declares resources; what it returns is resolved.
        preview: whether it runs as in a preview.

    Returns:
        The recorder, and what the program returned with every Output resolved.
    """
    recorder = Recorder()
    resolved: list[Any] = []

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> pulumi.Output[Any]:
        return pulumi.Output.from_input(program()).apply(resolved.append)

    with _event_loops():
        pulumi.runtime.set_mocks(recorder, project="spanmesh", stack="test", preview=preview)
        run()
    return recorder, resolved[0]


@contextmanager
def _event_loops() -> Iterator[None]:
    """An event loop for a run; it and those that Pulumi makes for its threads are closed afterwards."""
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def kept() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    with patch("asyncio.new_event_loop", kept):
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            yield
        finally:
            asyncio.set_event_loop(None)
            for loop in made:
                loop.close()
