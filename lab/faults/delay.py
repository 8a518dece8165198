"""Holds packets for a while: `python -m lab.faults.delay QUEUE MILLISECONDS` in a router's network.

The kernel's own way is the queueing discipline netem, which many kernels come without. So packets go to a queue of
netfilter (NFQUEUE), whose user space end says when each may go on; their content never leaves the kernel. Everything
is let go at the end, which is when standard input is closed, so it never outlives who started it.

The messages are those of the kernel's include/uapi/linux/netfilter/nfnetlink_queue.h.
"""

import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator

READY = "holding"

_NETLINK_NETFILTER = 12
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 8 << 20
_QUEUE_SUBSYSTEM = 3 << 8
PACKET, CONFIG, BATCH_VERDICT = (_QUEUE_SUBSYSTEM | kind for kind in (0, 2, 3))
_ERROR = 2
_REQUEST, _ACKNOWLEDGE = 1, 4
_ATTRIBUTE_COMMAND, _ATTRIBUTE_COPY, _ATTRIBUTE_LENGTH, _ATTRIBUTE_MASK, _ATTRIBUTE_FLAGS = 1, 2, 3, 4, 5
_ATTRIBUTE_PACKET, _ATTRIBUTE_VERDICT = 1, 2
_BIND, _COPY_NO_CONTENT = 1, 1
# Rather on without delay than lost, and large packets as they are.
_FAIL_OPEN_AND_LARGE = 1 | 4
_ACCEPT = 1
_MOST_PACKETS = 65536
_HEADER = struct.Struct("=IHHII")
_FAMILY_BYTES = 4


def message(kind: int, queue: int, *attributes: bytes, acknowledge: bool = False) -> bytes:
    """One message to the kernel about a queue."""
    body = struct.pack("!BBH", socket.AF_UNSPEC, 0, queue) + b"".join(attributes)
    flags = _REQUEST | (_ACKNOWLEDGE if acknowledge else 0)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute of a message, padded as netlink wants it."""
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def verdict(queue: int, last: int) -> bytes:
    """Let go every packet up to the one with this number."""
    return message(BATCH_VERDICT, queue, attribute(_ATTRIBUTE_VERDICT, struct.pack("!II", _ACCEPT, last)))


def packets(received: bytes) -> Iterator[int]:
    """Numbers of the packets that the kernel tells of in one datagram."""
    at = 0
    while at + _HEADER.size <= len(received):
        size, kind, *_ = _HEADER.unpack_from(received, at)
        if kind == PACKET:
            yield from _numbers(received[at + _HEADER.size + _FAMILY_BYTES : at + size])
        at += size + -size % 4


def _numbers(attributes: bytes) -> Iterator[int]:
    at = 0
    while at + 4 <= len(attributes):
        size, kind = struct.unpack_from("=HH", attributes, at)
        if kind == _ATTRIBUTE_PACKET:
            yield struct.unpack_from("!I", attributes, at + 4)[0]
        at += max(size + -size % 4, 4)


def _bound(queue: int) -> socket.socket:
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    kernel.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    kernel.bind((0, 0))
    command = attribute(_ATTRIBUTE_COMMAND, struct.pack("!BBH", _BIND, 0, socket.AF_UNSPEC))
    copy = attribute(_ATTRIBUTE_COPY, struct.pack("!IB", 0, _COPY_NO_CONTENT))
    numbers = [(_ATTRIBUTE_LENGTH, _MOST_PACKETS)]
    numbers += [(kind, _FAIL_OPEN_AND_LARGE) for kind in (_ATTRIBUTE_MASK, _ATTRIBUTE_FLAGS)]
    settings = [copy, *(attribute(kind, struct.pack("!I", number)) for kind, number in numbers)]
    for attributes in ([command], settings):
        kernel.send(message(CONFIG, queue, *attributes, acknowledge=True))
        answer = kernel.recv(4096)
        if (refused := refusal(answer)) is not None:
            sys.exit(f"the kernel refuses queue {queue}: error {refused}")
    return kernel


def refusal(answer: bytes) -> int | None:
    """The error number in an acknowledgement, or None if it is none or a good one."""
    if _HEADER.unpack_from(answer)[1] != _ERROR:
        return None
    return -struct.unpack_from("=i", answer, _HEADER.size)[0] or None


def hold(queue: int, seconds: float) -> None:
    """Hold every packet of a queue for this long, until standard input is closed."""
    held: deque[tuple[float, int]] = deque()
    with _bound(queue) as kernel:
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        while True:
            wait = max(0.0, held[0][0] - time.monotonic()) if held else None
            readable, _, _ = select.select([kernel, sys.stdin], [], [], wait)
            if kernel in readable:
                due = time.monotonic() + seconds
                held += [(due, number) for number in packets(kernel.recv(65536))]
            ended = sys.stdin in readable and not sys.stdin.read(1)
            last = None
            while held and (ended or held[0][0] <= time.monotonic()):
                last = held.popleft()[1]
            if last is not None:
                kernel.send(verdict(queue, last))
            if ended:
                return


if __name__ == "__main__":
    hold(int(sys.argv[1]), int(sys.argv[2]) / 1000)
