"""A command in a container, as `kubectl exec` runs it."""

from kubernetes import client
from kubernetes.stream import stream

from live.client import api_client
from live.kubeconfig import ClusterAccess


def pod_exec(
    access: ClusterAccess, pod: str, namespace: str, container: str, command: list[str], seconds: float
) -> str:
    """What the command prints to standard output, once it has ended or its time is over.

    Args:
        access: the pod's cluster.
        pod: name of the pod.
        namespace: its namespace.
        container: name of the container.
        command: program and arguments.
        seconds: how long it may take.

    Raises:
        kubernetes.client.exceptions.ApiException: it cannot be started.
    """
    # stream() replaces the client's request function: it gets a client of its own.
    with api_client(access) as api:
        session = stream(
            client.CoreV1Api(api).connect_get_namespaced_pod_exec,
            pod,
            namespace,
            container=container,
            command=command,
            stdout=True,
            stderr=False,
            stdin=False,
            tty=False,
            _preload_content=False,
        )
        try:
            session.run_forever(timeout=seconds)
            return str(session.read_all())
        finally:
            # Its own close does nothing once the other side has closed, and leaves the socket open.
            session.sock.shutdown()
