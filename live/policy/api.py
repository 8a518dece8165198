"""The API of one cluster as policy is read and tried there: objects as they are, of any kind that is served."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client, dynamic

from live.client import TIMEOUT

GROUPS = ("istio.io", "gateway.networking.k8s.io")
PAGE = 500
JSON = "application/json"


@dataclass(frozen=True)
class Kind:
    """One kind in one version, as a cluster serves it.

    Attributes:
        group: its API group; empty for Kubernetes' own first one.
        version: its version.
        kind: its name.
        plural: its name in paths.
        namespaced: whether its objects are in namespaces.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As an object says it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """Path of the kind, of its objects of a namespace, or of one of them."""
        parts = [f"/apis/{self.group}" if self.group else "/api", self.version]
        parts += ["namespaces", namespace] if namespace and self.namespaced else []
        return "/".join([*parts, self.plural, *([name] if name else [])])


SERVICES = Kind("", "v1", "Service", "services")
NAMESPACES = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
PODS = Kind("", "v1", "Pod", "pods")
INJECTORS = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    namespaced=False,
)


@dataclass(frozen=True)
class Kinds:
    """The kinds of policy that a cluster serves.

    Attributes:
        served: every kind in every version.
        preferred: by group, the version that the cluster prefers.
    """

    served: tuple[Kind, ...] = ()
    preferred: Mapping[str, str] = field(default_factory=dict)

    @property
    def istio(self) -> bool:
        """Whether Istio's types are there at all."""
        return any(group == "istio.io" or group.endswith(".istio.io") for group in self.preferred)

    def of(self, group: str, kind: str) -> list[Kind]:
        """The versions in which a kind is served, the preferred one first."""
        found = [k for k in self.served if (k.group, k.kind) == (group, kind)]
        return sorted(found, key=lambda k: k.version != self.preferred.get(group))

    def listed(self) -> list[Kind]:
        """Each kind once."""
        names = dict.fromkeys((k.group, k.kind) for k in self.served)
        return [self.of(*name)[0] for name in names]


class Api:
    """Plain calls, for kinds that the official library has no types of.

    Answers are as JSON: the library takes about a millisecond to make one of its pods, and 10,000 of them are normal.

    Args:
        api: an open client.
    """

    def __init__(self, api: client.ApiClient) -> None:
        # The library's one call that takes any path and is the same in its versions 36 and 37.
        self._requests = dynamic.DynamicClient(api, discoverer=_nothing_discovered)

    def get(self, path: str, query: Mapping[str, str] | None = None, accept: str = JSON) -> Any:
        """What a GET says.

        Args:
            path: what is asked for.
            query: what comes after it.
            accept: the form of the answer: JSON, be it of less than the whole object.

        Raises:
            ApiException: what the API server answers instead.
        """
        return self._call("GET", path, query or {}, {"Accept": accept, "Accept-Encoding": "gzip"}, None)

    def list(self, kind: Kind, namespace: str = "", selector: str = "") -> Iterator[dict[str, Any]]:
        """Every object of a kind, of one namespace or of all, that a label selector chooses, by pages.

        Raises:
            ApiException: what the API server answers instead.
        """
        query = {"limit": str(PAGE), **({"labelSelector": selector} if selector else {})}
        while True:
            page = self.get(kind.path(namespace), query)
            for item in page["items"]:
                # Items of a list do not say what they are.
                yield {"apiVersion": kind.api_version, "kind": kind.kind, **item}
            query["continue"] = (page.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return

    def patch(self, path: str, content_type: str, body: Any, query: Mapping[str, str]) -> Any:
        """What a PATCH says.

        Raises:
            ApiException: what the API server answers instead.
        """
        return self._call("PATCH", path, query, {"Content-Type": content_type}, body)

    def kinds(self) -> Kinds:
        """The kinds of Istio and of the Gateway API that the cluster serves.

        Raises:
            ApiException: what the API server answers instead.
        """
        served: list[Kind] = []
        preferred: dict[str, str] = {}
        for group in self.get("/apis")["groups"]:
            name = group["name"]
            if not any(name == known or name.endswith(f".{known}") for known in GROUPS):
                continue
            preferred[name] = group["preferredVersion"]["version"]
            for version in group["versions"]:
                served += [
                    Kind(name, version["version"], each["kind"], each["name"], each["namespaced"])
                    for each in self.get(f"/apis/{version['groupVersion']}")["resources"]
                    if "/" not in each["name"]
                ]
        return Kinds(tuple(served), preferred)

    def _call(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any) -> Any:
        answer = self._requests.request(
            method,
            path,
            body,
            query_params=list(query.items()),
            header_params={"Accept": JSON, **headers},
            content_type=headers.get("Content-Type"),
            serialize=False,
            _request_timeout=TIMEOUT,
        )
        return json.loads(answer.data)


def _nothing_discovered(_client: object, _cache_file: object) -> None:
    """The library's own discovery keeps its finds in a file by host name, and a lab's hosts are made anew."""
