"""An API server on the loopback that answers from a table, and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from live.kubeconfig import ClusterAccess


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    body: Any
    accept: str = ""


@dataclass
class FakeApiServer:
    """Answers of an API server.

    Attributes:
        answers: by path, the answers to GETs; of a list, the items. Paths that are not in it give 404.
        refusals: by path, status and message for PATCHes; paths that are not in it are taken.
        asked: every request.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    @contextmanager
    def access(self, name: str) -> Iterator[ClusterAccess]:
        """The server while it runs, as a cluster of that name."""
        with ThreadingHTTPServer(("127.0.0.1", 0), self._handler()) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield cluster(name, f"http://127.0.0.1:{server.server_port}")
            finally:
                server.shutdown()
                thread.join()

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Status and body."""
        self.asked.append(asked)
        if asked.method == "PATCH":
            status, message = self.refusals.get(asked.path, (200, ""))
            return status, {"kind": "Status", "message": message} if message else asked.body
        if asked.path not in self.answers:
            return 404, {"kind": "Status", "message": "404 page not found"}
        answer = self.answers[asked.path]
        if not isinstance(answer, list):
            return 200, answer
        answer = [item for item in answer if _selected(item, asked.query.get("labelSelector", ""))]
        start, limit = int(asked.query.get("continue") or 0), int(asked.query["limit"])
        more = str(start + limit) if start + limit < len(answer) else ""
        return 200, {"metadata": {"continue": more}, "items": answer[start : start + limit]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer("GET")

            def do_PATCH(self) -> None:
                self._answer("PATCH")

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

            def _answer(self, method: str) -> None:
                url = urlsplit(self.path)
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.loads(sent) if sent else None
                query = dict(parse_qsl(url.query))
                said = (self.headers.get("Content-Type") or "", body, self.headers.get("Accept") or "")
                status, answer = server.answer(Asked(method, url.path, query, *said))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        return Handler


def _selected(item: Any, selector: str) -> bool:
    """Whether an object has every label that is asked for; sets, as in ``name in (a,b)``, are not looked at."""
    labels = item.get("metadata", {}).get("labels") or {}
    wanted = [each.partition("=") for each in selector.split(",") if each and "(" not in each and ")" not in each]
    return all(_has(labels, name, value if equals else None) for name, equals, value in wanted)


def _has(labels: dict[str, str], name: str, value: str | None) -> bool:
    if name.endswith("!"):
        return labels.get(name[:-1]) != value
    return name in labels and value in (None, labels[name])


def cluster(name: str, server: str) -> ClusterAccess:
    """A cluster without credentials."""
    document = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "users": [{"name": "a", "user": {}}],
    }
    return ClusterAccess(name, document)


def istio_cluster(**lists: list[dict[str, Any]]) -> FakeApiServer:
    """A cluster with Istio's first types, and empty but for these lists, by plural."""
    networking = "networking.istio.io"
    versions = [{"groupVersion": f"{networking}/{v}", "version": v} for v in ("v1", "v1alpha3")]
    group = {"name": networking, "versions": versions, "preferredVersion": versions[0]}
    kinds = {"VirtualService": "virtualservices", "DestinationRule": "destinationrules"}
    served = [{"name": plural, "kind": kind, "namespaced": True} for kind, plural in kinds.items()]
    served.append({"name": "virtualservices/status", "kind": "VirtualService", "namespaced": True})
    filters = {"name": "envoyfilters", "kind": "EnvoyFilter", "namespaced": True}
    answers: dict[str, Any] = {
        "/apis": {"groups": [{"name": "apps", "versions": [], "preferredVersion": {}}, group]},
        f"/apis/{networking}/v1": {"resources": served},
        f"/apis/{networking}/v1alpha3": {"resources": [*served, filters]},
        f"/apis/{networking}/v1alpha3/envoyfilters": [],
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": lists.pop("webhooks", []),
    }
    for plural in kinds.values():
        answers[f"/apis/{networking}/v1/{plural}"] = lists.pop(plural, [])
    for plural in ("services", "namespaces"):
        answers[f"/api/v1/{plural}"] = lists.pop(plural, [])
    for pod in lists.pop("pods", []):
        answers.setdefault(f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods", []).append(pod)
    for namespace in answers["/api/v1/namespaces"]:
        answers.setdefault(f"/api/v1/namespaces/{namespace['metadata']['name']}/pods", [])
    assert not lists
    return FakeApiServer(answers)
