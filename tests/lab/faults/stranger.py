"""Who may knock at a gateway from outside all regions: with any certificate, with none, in plain text, in crowds.

Everything runs in the lab's own network namespace for outsiders, and is bounded in number and time.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab import Lab
from tests.authority import Authority

PORT = 15443
SERVER_NAME = "outbound_.5000_._.helloworld.sample.svc.cluster.local"
# What gateways pass on offers one of Istio's own: pilot/pkg/networking/core/gateway.go, allIstioMtlsALPNs.
PROTOCOLS = ("istio", "istio-http/1.1")

ONE = r"""
import json, os, socket, ssl, sys
told = json.load(sys.stdin)
request = b"GET /hello HTTP/1.1\r\nHost: helloworld.sample:5000\r\nConnection: close\r\n\r\n"
try:
    with socket.create_connection((told["address"], told["port"]), timeout=5) as connected:
        if told["tls"]:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(told["protocols"])
            if told["certificate"]:
                # The key never touches a disk.
                held = os.memfd_create("held")
                os.write(held, told["certificate"].encode())
                context.load_cert_chain(f"/proc/self/fd/{held}")
            connected = context.wrap_socket(connected, server_hostname=told["server_name"])
        # With TLS 1.3 a refusal comes after the handshake; the proxies would drop it for a request on its way.
        connected.settimeout(1)
        answer = b""
        try:
            closed = connected.recv(1) == b""
        except TimeoutError:
            closed = False
        connected.settimeout(5)
        if not closed:
            connected.sendall(request)
            while data := connected.recv(65536):
                answer += data
    print(json.dumps({"answer": answer.decode(errors="replace"), "refused": "" if answer else "closed"}))
except OSError as error:
    print(json.dumps({"answer": "", "refused": getattr(error, "reason", None) or str(error)}))
"""

CROWD = r"""
import json, socket, sys, time
told = json.load(sys.stdin)
held, closed = [], 0
for number in range(told["number"]):
    try:
        held.append(socket.create_connection((told["address"], told["port"]), timeout=2))
        if number % 2:
            held[-1].sendall(b"\x16\x03\x01\x02\x00\x01 half a greeting")
    except OSError:
        closed += 1
time.sleep(told["seconds"])
for each in held:
    each.setblocking(False)
    try:
        closed += not each.recv(1)
    except BlockingIOError:
        pass
    except OSError:
        closed += 1
print(json.dumps({"opened": len(held), "closed": closed}))
"""


@dataclass(frozen=True)
class Answered:
    """What came of one connection: an HTTP answer, or why there was none."""

    answer: str
    refused: str


@dataclass(frozen=True)
class Crowd:
    """How many connections came about, and how many did not or were closed by the end."""

    opened: int
    closed: int


@dataclass(frozen=True)
class Stranger:
    """Somebody on the WAN who is in no region."""

    lab: Lab
    address: str

    def plain(self) -> Answered:
        """An HTTP request without TLS."""
        return self._one(tls=False)

    def tls(
        self, shown: Sequence[Authority] = (), server_name: str = SERVER_NAME, protocols: Sequence[str] = PROTOCOLS
    ) -> Answered:
        """An HTTP request over TLS.

        Args:
            shown: the client's certificate and what follows in its chain; empty for no certificate.
            server_name: its SNI.
            protocols: its ALPN.
        """
        certificate = "".join([shown[0].key_pem, *(each.pem for each in shown)]) if shown else ""
        return self._one(tls=True, certificate=certificate, server_name=server_name, protocols=list(protocols))

    def crowd(self, number: int, seconds: float) -> Crowd:
        """Open many connections, half of them with the beginning of a TLS greeting, and hold them.

        Args:
            number: how many.
            seconds: for how long.
        """
        told = {"address": self.address, "port": PORT, "number": number, "seconds": seconds}
        command = [sys.executable, "-c", CROWD]
        printed = self.lab.outside.run(command, stdin=json.dumps(told), timeout=60 + seconds)
        return Crowd(**json.loads(printed))

    def _one(self, **told: Any) -> Answered:
        said = {"address": self.address, "port": PORT, **told}
        printed = self.lab.outside.run([sys.executable, "-c", ONE], stdin=json.dumps(said), timeout=30)
        return Answered(**json.loads(printed))
