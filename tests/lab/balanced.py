"""A server in the first region behind Services with public addresses, and who can reach it."""

from typing import Any

from lab import Lab
from lab.router_rules import LOAD_BALANCER_NAT_CHAIN
from tests.lab.kubectl import Kubectl, http, in_machine, web_server

REGION, PEER = "cn-north-4", "cn-east-3"
NAMESPACE = "balanced"


class Balanced:
    """A server in a namespace of its own, and Services in front of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._kubectl = Kubectl.of(lab, REGION)
        self.region, self.peer = (next(each for each in lab.regions if each.name == name) for name in (REGION, PEER))
        self("create", "namespace", NAMESPACE)
        self.apply(web_server("web", "hello"))
        self("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")

    def __call__(self, *arguments: str) -> str:
        return self._kubectl("-n", NAMESPACE, *arguments)

    def apply(self, *objects: dict[str, Any]) -> None:
        self._kubectl.apply(*({**each, "metadata": {**each["metadata"], "namespace": NAMESPACE}} for each in objects))

    def address(self, name: str) -> str:
        """What stands in the Service's status, an IP or a host name; empty if nothing does."""
        ingress = self._kubectl.get("-n", NAMESPACE, "service", name)["status"]["loadBalancer"].get("ingress") or []
        return str(ingress[0].get("ip") or ingress[0]["hostname"]) if ingress else ""

    def port(self, name: str) -> int:
        """The Service's first node port."""
        return int(self._kubectl.get("-n", NAMESPACE, "service", name)["spec"]["ports"][0]["nodePort"])

    def events(self, name: str) -> list[tuple[str, str]]:
        listed = self._kubectl.get("-n", NAMESPACE, "events", f"--field-selector=involvedObject.name={name}")["items"]
        return [(each["reason"], each["message"]) for each in listed]

    def refused(self, name: str, reason: str) -> bool:
        """Whether an Event says that the Service gets no load balancer, for this reason."""
        return any(kind == "SyncLoadBalancerFailed" and reason in text for kind, text in self.events(name))

    def answers(self, address: str, machine: str = f"{PEER}-node1") -> bool:
        return http(self.lab, machine, f"http://{address}/").strip() == "hello"

    def router_has(self, address: str) -> bool:
        listed = in_machine(self.lab, f"{REGION}-router", "ip", "-4", "address", "show", "dev", "wan").stdout
        rules = in_machine(self.lab, f"{REGION}-router", "iptables", "-w", "-t", "nat", "-S", LOAD_BALANCER_NAT_CHAIN)
        return f" {address}/32 " in listed or f" {address}/32 " in rules.stdout
