"""Two regions share nothing but public addresses: what listens inside one is not to be had from inside the other."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Lab
from lab.plan import namespace_prefix
from tests.lab.kubectl import Kubectl, eventually, http, service, web_server

pytestmark = pytest.mark.lab

HERE, THERE = "cn-north-4", "cn-east-3"
TOKEN = "answer-from-inside-cn-east-3"  # noqa: S105 - a word to look for
NODE_PORT = 18080
# Prints source and destination of every IPv4 packet on any port of the WAN's bridge, for some seconds.
WATCH_WAN = """
import socket, sys, time
packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
packets.settimeout(0.2)
print("watching", flush=True)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    try:
        data, origin = packets.recvfrom(65535)
    except TimeoutError:
        continue
    if origin[1] == 0x0800:
        print(socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20]), flush=True)
"""


class Inside:
    """A server inside the second region, and all addresses under which that region knows it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.here, self.there = Kubectl.of(lab, HERE), Kubectl.of(lab, THERE)
        self.there.apply(
            web_server("inside", TOKEN), web_server("inside-node", TOKEN, host_network=True, port=NODE_PORT)
        )
        self.there.apply(service("inside", "inside"), service("inside-public", "inside", type="LoadBalancer"))
        self.here(
            "run",
            "client",
            "--image=localhost/sample:1",
            "--image-pull-policy=Never",
            "--command",
            "--",
            "sleep",
            "3600",
        )
        for kubectl, pod in ((self.there, "inside"), (self.there, "inside-node"), (self.here, "client")):
            kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=60s")
        assert eventually(lambda: bool(self._public()["status"]["loadBalancer"].get("ingress")))
        self.public = f"http://{self._public()['status']['loadBalancer']['ingress'][0]['ip']}/"
        pod = self.there.get("pod", "inside")["status"]["podIP"]
        node = self.there.get("node", "node1")["status"]["addresses"][0]["address"]
        cluster_ip = self.there.get("service", "inside")["spec"]["clusterIP"]
        self.private = {
            "pod": f"http://{pod}:8080/",
            "node": f"http://{node}:{NODE_PORT}/",
            "node port": f"http://{node}:{self._public()['spec']['ports'][0]['nodePort']}/",
            "cluster IP": f"http://{cluster_ip}/",
        }

    def remove(self) -> None:
        self.there("delete", "pod/inside", "pod/inside-node", "service/inside", "service/inside-public", "--now")
        self.here("delete", "pod/client", "--now")

    def from_pod(self, url: str) -> str:
        return self.here("exec", "client", "--", "sh", "-c", f"curl -s -m 2 {url} || true")

    def _public(self) -> Any:
        return self.there.get("service", "inside-public")


@pytest.fixture(scope="module")
def inside(lab: Lab) -> Iterator[Inside]:
    found = Inside(lab)
    yield found
    found.remove()


def test_the_regions_use_the_same_ranges(inside: Inside) -> None:
    def ranges(kubectl: Kubectl) -> tuple[str, str, str]:
        node = kubectl.get("node", "node1")
        return (
            node["status"]["addresses"][0]["address"],
            node["spec"]["podCIDR"],
            kubectl.get("service", "kubernetes")["spec"]["clusterIP"],
        )

    assert ranges(inside.here) == ranges(inside.there)


@pytest.mark.parametrize("kind", ["pod", "node", "node port", "cluster IP"])
def test_an_inner_address_answers_in_its_own_region_only(inside: Inside, kind: str) -> None:
    url = inside.private[kind]
    assert TOKEN in http(inside.lab, f"{THERE}-node1", url)
    assert TOKEN not in http(inside.lab, f"{HERE}-node1", url)
    assert TOKEN not in http(inside.lab, f"{HERE}-router", url)
    assert TOKEN not in inside.from_pod(url)


def test_the_public_address_answers_in_both_regions(inside: Inside) -> None:
    assert eventually(lambda: TOKEN in http(inside.lab, f"{HERE}-node1", inside.public))
    assert TOKEN in inside.from_pod(inside.public)
    assert TOKEN in http(inside.lab, f"{THERE}-node1", inside.public)


def test_the_other_regions_api_server_answers_on_its_public_address(inside: Inside) -> None:
    api = next(region for region in inside.lab.regions if region.name == THERE).api_url
    assert '"gitVersion"' in inside.from_pod(f"-k {api}/version")


def test_the_host_cannot_reach_any_address_of_the_lab(inside: Inside) -> None:
    for url in (*inside.private.values(), inside.public):
        done = subprocess.run(["curl", "-s", "-m", "1", url], capture_output=True, text=True, check=False)
        assert TOKEN not in done.stdout


def test_names_resolve_inside_their_own_region_only(inside: Inside) -> None:
    def lookup(kubectl: Kubectl, pod: str, name: str) -> str:
        return kubectl("exec", pod, "--", "sh", "-c", f"nslookup -type=a {name} 2>&1 || true")

    name = "inside.default.svc.cluster.local"
    assert inside.there.get("service", "inside")["spec"]["clusterIP"] in lookup(inside.there, "inside", name)
    assert "NXDOMAIN" in lookup(inside.here, "client", name)
    assert "NXDOMAIN" in lookup(inside.here, "client", "example.com")


def test_nothing_with_a_private_address_is_seen_on_the_wan(inside: Inside) -> None:
    enter = ["nsenter", f"--net=/run/netns/{namespace_prefix(inside.lab.name)}wan"]
    with subprocess.Popen([*enter, sys.executable, "-c", WATCH_WAN, "8"], stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline().strip() == "watching"
        began = time.monotonic()
        for url in inside.private.values():
            http(inside.lab, f"{HERE}-node1", url)
        # 10.9.9.9 is in no route of any region: the packet goes to the router, and no farther.
        inside.from_pod("http://10.9.9.9/")
        inside.from_pod(inside.public)
        assert time.monotonic() - began < 8, "the requests outlasted the watcher"
        seen = {tuple(line.split()) for line in watcher.stdout.read().splitlines()}
    routers = [str(region.api_address) for region in inside.lab.regions]
    public = inside.public.removeprefix("http://").rstrip("/")
    assert (routers[0], public) in seen, "the request to the public address was not seen, so nothing was proven"
    assert {address for pair in seen for address in pair if not address.startswith("198.51.100.")} == set()
