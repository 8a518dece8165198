"""Clusters of a mesh that are not there: API servers with TLS on the loopback, behind each an istiod and a gateway.

They answer what `spanmesh status` asks, ports of pods included, as clusters of a mesh in which everyone reads everyone.
"""

import base64
import hashlib
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websocket import ABNF
from websocket._abnf import frame_buffer

from topology.defaults import NAMESPACE, REMOTE_SECRET

LOOPBACK = "127.0.0.1"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
NAMED_ALIKE = "istiod-0"
GATEWAY = "istio-eastwestgateway"
VERSION = "1.30.5"
MADE = "2026-01-01T00:00:00Z"
PROXIES, NAMESPACES, METRICS = 40, 20, 300
KINDS = {
    "networking.istio.io": (
        *("VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "Sidecar"),
        *("EnvoyFilter", "WorkloadEntry", "WorkloadGroup", "ProxyConfig"),
    ),
    "security.istio.io": ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"),
    "telemetry.istio.io": ("Telemetry",),
    "extensions.istio.io": ("WasmPlugin",),
}


class Authority:
    """A CA that signs for the loopback, and the certificate that it signed.

    Attributes:
        pem: its certificate.
        server: what a server on the loopback shows.
    """

    pem: str
    server: ssl.SSLContext

    def __init__(self) -> None:
        key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        authority = builder.sign(key, hashes.SHA256())
        own = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(name)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(names, critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        self.pem = _pem(authority)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        private = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "server.pem"
            path.write_text(private.decode() + _pem(certificate) + self.pem)
            self.server.load_cert_chain(path)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@contextmanager
def stand_ins(alive: Sequence[str], names: Sequence[str], authority: Authority) -> Iterator[dict[str, int]]:
    """Clusters while they run: by name, the port of the API server at ``localhost``.

    Args:
        alive: those that run.
        names: all clusters of the mesh.
        authority: of their API servers, and of what istiod shows.
    """
    with ExitStack() as running:
        istiod_tls = running.enter_context(_serving(_answering(_nothing), authority.server))
        ports: dict[str, int] = {}
        for name in alive:
            istiod = running.enter_context(_serving(_answering(_istiod(name, names))))
            pods = {8080: istiod, 15014: istiod, 15012: istiod_tls}
            answers = _api(name, names, authority.pem)
            ports[name] = running.enter_context(_serving(_answering(answers, pods), authority.server))
        yield ports


@contextmanager
def silent(number: int) -> Iterator[list[int]]:
    """So many ports at which a connection comes about, and nothing is ever said."""
    with ExitStack() as open_:
        servers = [open_.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(number)]
        yield [server.getsockname()[1] for server in servers]


def kubeconfig(ports: Mapping[str, int], authority: Authority) -> str:
    """A kubeconfig with a context for each cluster, named as it."""
    data = base64.b64encode(authority.pem.encode()).decode()
    clusters = [
        {"name": name, "cluster": {"server": f"https://localhost:{port}", "certificate-authority-data": data}}
        for name, port in ports.items()
    ]
    return yaml.safe_dump(
        {
            "clusters": clusters,
            "users": [{"name": "admin", "user": {"token": "stand-in"}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}} for name in ports],
        }
    )


Answers = Callable[[str, Mapping[str, list[str]]], Any]


def _nothing(path: str, query: Mapping[str, list[str]]) -> Any:
    return None


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def finish_request(self, request: Any, client_address: Any) -> None:
            """In the connection's own thread, so that no handshake waits for another."""
            with suppress(OSError):
                if tls is None:
                    super().finish_request(request, client_address)
                    return
                with tls.wrap_socket(request, server_side=True) as wrapped:
                    super().finish_request(wrapped, client_address)

    with Server((LOOPBACK, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers GETs, and forwards ports of pods to those of this machine."""

    answers: ClassVar[Answers]
    pods: ClassVar[Mapping[int, int]]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if self.pods and url.path.endswith("/portforward"):
            self.close_connection = True
            self._forward(self.pods[int(query["ports"][0])])
            return
        answer = type(self).answers(url.path.rstrip("/"), query)
        text = answer if isinstance(answer, str) else json.dumps(answer or {"message": f"no {url.path}"})
        self.send_response(200 if answer is not None else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass

    def _forward(self, port: int) -> None:
        accepted = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + GUID).encode(), usedforsecurity=False)
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accepted.digest()).decode())
        self.send_header("Sec-WebSocket-Protocol", self.headers["Sec-WebSocket-Protocol"])
        self.end_headers()
        with socket.create_connection((LOOPBACK, port)) as pod:
            back = threading.Thread(target=self._back, args=(pod,), daemon=True)
            back.start()
            frames = frame_buffer(self._exactly, skip_utf8_validation=True)
            with suppress(OSError):
                while (frame := frames.recv_frame()).opcode != ABNF.OPCODE_CLOSE:
                    pod.sendall(_bytes(frame.data)[1:])
            with suppress(OSError):
                pod.shutdown(socket.SHUT_RDWR)
            back.join()

    def _back(self, pod: socket.socket) -> None:
        for channel in (0, 1):
            self._say(bytes([channel, 0, 0]))
        with suppress(OSError):
            while data := pod.recv(65536):
                self._say(b"\0" + data)

    def _say(self, data: bytes) -> None:
        frame = ABNF.create_frame(data, ABNF.OPCODE_BINARY)
        frame.mask_value = 0
        self.connection.sendall(frame.format())

    def _exactly(self, length: int) -> bytes:
        data: bytes = self.connection.recv(length)
        if not data:
            raise ConnectionResetError
        return data


def _answering(answers: Answers, pods: Mapping[int, int] | None = None) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"answers": staticmethod(answers), "pods": pods or {}})


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _istiod(name: str, names: Sequence[str]) -> Answers:
    secret = f"{NAMESPACE}/{REMOTE_SECRET}"
    synced = {
        f"{word}_{done}": "1" for word in ("cluster", "listener", "endpoint", "route") for done in ("sent", "acked")
    }
    said: dict[str, Any] = {
        "/debug/clusterz": [
            {"id": each, "secretName": "" if each == name else secret, "syncStatus": "synced"} for each in names
        ],
        "/debug/networkz": [
            {"Network": f"network-{each}", "Cluster": each, "Addr": f"198.51.100.{number % 250}", "Port": 15443}
            for number, each in enumerate(names)
        ],
        "/debug/syncz": [
            {"cluster_id": name, "proxy": f"pod-{n}.shop", "proxy_type": "sidecar", "istio_version": VERSION, **synced}
            for n in range(PROXIES)
        ],
        "/version": f"{VERSION}-1e0dc8dd8809-Clean",
        "/metrics": "".join(f'pilot_stand_in_{n}{{type="cds"}} {n}\n' for n in range(METRICS)),
    }
    return lambda path, query: said.get(path)


def _api(name: str, names: Sequence[str], root: str) -> Answers:
    system = f"/api/v1/namespaces/{NAMESPACE}"
    service = {
        "metadata": {
            "name": GATEWAY,
            "namespace": NAMESPACE,
            "labels": {"topology.istio.io/network": f"network-{name}"},
        },
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": GATEWAY},
            "ports": [{"name": "status-port", "port": 15021}, {"name": "tls", "port": 15443}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}]}},
    }
    bundles = [
        {"metadata": {"name": "istio-ca-root-cert", "namespace": each}, "data": {"root-cert.pem": root}}
        for each in (NAMESPACE, *(f"shop-{n}" for n in range(NAMESPACES)))
    ]
    mesh = {"defaultConfig": {"meshId": "mesh1"}, "trustDomain": "cluster.local"}
    held = {each: _encoded(_remote_kubeconfig(each, root)) for each in names if each != name}
    said: dict[str, Any] = {
        "/version": {
            **dict.fromkeys(("major", "minor", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler"), "1"),
            "platform": "linux/amd64",
            "gitVersion": "v1.36.0",
        },
        "/apis": {"groups": [_group(each) for each in KINDS]},
        "/api/v1/configmaps": {"items": bundles},
        "/api/v1/services": {"items": []},
        system: {"metadata": {"name": NAMESPACE, "labels": {"topology.istio.io/network": f"network-{name}"}}},
        f"{system}/configmaps/istio": {"data": {"mesh": yaml.safe_dump(mesh)}},
        f"{system}/services/{GATEWAY}": service,
        f"{system}/secrets/{REMOTE_SECRET}": {"metadata": {"name": REMOTE_SECRET}, "data": held},
        f"{system}/secrets": {"items": []},
        f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments": {"items": [_deployment(name)]},
    }
    for group, kinds in KINDS.items():
        resources = [{"name": f"{kind.lower()}s", "kind": kind, "namespaced": True} for kind in kinds]
        said[f"/apis/{group}/v1"] = {"resources": resources}
        said.update({f"/apis/{group}/v1/{each['name']}": {"items": []} for each in resources})
    pods = {
        "app=istiod": [_pod(NAMED_ALIKE, "discovery", f"docker.io/istio/pilot:{VERSION}")],
        f"app={GATEWAY}": [_pod(f"{GATEWAY}-{n}", "istio-proxy", f"docker.io/istio/proxyv2:{VERSION}") for n in (0, 1)],
    }

    def answer(path: str, query: Mapping[str, list[str]]) -> Any:
        if path == f"{system}/pods":
            return {"items": pods.get(query.get("labelSelector", [""])[0], [])}
        return said.get(path)

    return answer


def _group(name: str) -> dict[str, Any]:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _deployment(name: str) -> dict[str, Any]:
    container = {"name": "discovery", "env": [{"name": "CLUSTER_ID", "value": name}]}
    labels = {"app": "istiod"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "metadata": {"name": "istiod", "namespace": NAMESPACE, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def _pod(name: str, container: str, image: str) -> dict[str, Any]:
    running = {"state": {"running": {"startedAt": MADE}}, "ready": True, "restartCount": 0}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": name},
        "spec": {"nodeName": "node1", "containers": [{"name": container, "image": image}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": container, "image": image, "imageID": "", **running}],
        },
    }


def _remote_kubeconfig(name: str, root: str) -> str:
    cluster = {"server": f"https://{name}.example.com:6443", "certificate-authority-data": _encoded(root)}
    return yaml.safe_dump(
        {
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": {"token": f"stand-in-{name}"}}],
        }
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
