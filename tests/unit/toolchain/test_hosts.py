"""A download host that cannot be reached costs little, once."""

import hashlib
import socket
import time

from tests.unit.toolchain.conftest import Make, Told, tool
from tests.unit.toolchain.stand_in import Host, Silent
from toolchain.hosts import Hosts


def downloads(url: str) -> dict[str, object]:
    return {"kind": "downloads", "files": [{"url": f"{url}/x", "checksums": f"{url}/x.sha256"}]}


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_silent_host_is_asked_once_for_all_tools_and_all_runs(make: Make, silent_host: Silent, told: Told) -> None:
    names = ["one", "two", "three"]
    specs = [tool(name, release=downloads(silent_host.url)) for name in names]
    got = make(*specs).ensure(names, report=told)
    assert {entry.origin for entry in got.values()} == {"build"}
    assert silent_host.connections == 1
    assert [note for note in told.notes if silent_host.url in note and "no answer within 0.5 s" in note]

    later = tool("later", release=downloads(silent_host.url))
    make(*specs, later).ensure(["later"], report=told)
    assert silent_host.connections == 1


def test_probe_of_several_silent_hosts_takes_as_long_as_of_one(silent_host: Silent, told: Told, make: Make) -> None:
    record = make().cache.root / "hosts.json"
    aliases = [silent_host.url.replace("127.0.0.1", f"127.0.0.{last}") for last in (1, 2, 3)]
    begun = time.monotonic()
    hosts = Hosts(record, seconds=0.5)
    hosts.probe([silent_host.url, *aliases, closed_port()])
    assert time.monotonic() - begun < 1.5
    assert hosts.cause(silent_host.url) is not None


def test_refused_connection_names_the_cause(make: Make) -> None:
    hosts = Hosts(make().cache.root / "hosts.json", seconds=5)
    assert "refused" in (hosts.cause(closed_port()) or "")


def test_host_that_answers_anything_is_reachable(make: Make, host: Host) -> None:
    hosts = Hosts(make().cache.root / "hosts.json", seconds=5)
    assert hosts.cause(f"{host.url}/some/file") is None
    assert host.asked == ["HEAD /"]


def test_asking_for_releases_only_tries_again_what_was_unreachable(make: Make, host: Host, told: Told) -> None:
    content = b"#!/bin/sh\n"
    host.files |= {"/x": content, "/x.sha256": hashlib.sha256(content).hexdigest().encode()}
    spec = tool("hello", release=downloads(host.url))
    Hosts(make(spec).cache.root / "hosts.json").failed(host.url, "was down")
    assert make(spec).ensure(["hello"], report=told)["hello"].origin == "build"
    assert host.asked == []
    assert make(spec).ensure(["hello"], "release", told)["hello"].origin == "release"
