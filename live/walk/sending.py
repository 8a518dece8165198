"""The request itself, sent from a container of the client's pod."""

import re
from collections.abc import Iterator

from kubernetes.client.exceptions import ApiException

from health.walk.asked import Asked
from health.walk.facts import Pod, Unread
from health.walk.followed import Answer
from live.kubeconfig import ClusterAccess
from live.pods.exec import pod_exec

SECONDS = 10
SHOWN = 200
STATUS = re.compile(r"^\s*HTTP/[\d.]+ (?P<status>\d{3})", re.MULTILINE)


def send(access: ClusterAccess, pod: Pod, asked: Asked, request_id: str) -> Answer | Unread:
    """Send it once by curl, or by wget where there is no curl.

    Args:
        access: the client's cluster.
        pod: the client.
        asked: the request.
        request_id: its ``x-request-id``.

    Returns:
        What came of it; Unread where no container can send it.
    """
    for container in pod.containers:
        for program, command in _commands(asked, request_id):
            try:
                printed = pod_exec(access, pod.name, pod.namespace, container, command, SECONDS + 5)
            except (ApiException, AttributeError) as error:
                return Unread(f"{_refusal(access, pod, error)}. {by_hand(asked, request_id)}")
            if printed.strip():
                return _answer(program, printed)
    tried = ", ".join(pod.containers) or "none"
    return Unread(f"no container of pod {pod} has curl or wget ({tried}). {by_hand(asked, request_id)}")


def by_hand(asked: Asked, request_id: str) -> str:
    """What to do where it cannot be sent."""
    return (
        f"Let the application ask {asked.url} with the header `x-request-id: {request_id}`, and look for that id in "
        "the logs of the istio-proxy containers; or give the pod a container with curl: "
        "`kubectl debug --image=curlimages/curl`"
    )


def _refusal(access: ClusterAccess, pod: Pod, error: Exception) -> str:
    # The library fails on its own exception where the API server refuses: there is no body to decode.
    cause = error.__context__ if isinstance(error, AttributeError) else error
    if not isinstance(cause, ApiException):
        raise error
    # What follows are the headers of the answer.
    reason = str(cause.reason).split(" -+-+- ", maxsplit=1)[0].strip()
    return f"exec into pod {pod} in {access.name} is refused (right to get and create pods/exec): {reason}"


def _commands(asked: Asked, request_id: str) -> Iterator[tuple[str, list[str]]]:
    headers = [f"{name}: {value}" for name, value in {**asked.headers, "x-request-id": request_id}.items()]
    method = ["-I"] if asked.method == "HEAD" else ["-X", asked.method]
    options = [option for header in headers for option in ("-H", header)]
    # Errors too go to standard output, the only one that is read.
    yield "curl", ["curl", "-sS", "-i", "--stderr", "-", "-m", str(SECONDS), *method, *options, asked.url]
    if asked.method == "GET":
        options = [f"--header={header}" for header in headers]
        # wget tells the status of an error on standard error only.
        script = 'exec wget -S -q -T "$0" -O - "$@" 2>&1'
        yield "wget", ["sh", "-c", script, str(SECONDS), *options, asked.url]


def _answer(program: str, printed: str) -> Answer:
    printed = printed.replace("\r\n", "\n")
    found = STATUS.findall(printed)
    _, blank, body = printed.partition("\n\n")
    text = (body if blank else printed).strip()
    return Answer(int(found[-1]) if found else 0, " ".join(text.split())[:SHOWN], program)
