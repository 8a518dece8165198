"""Clients of the official Kubernetes library, from a kubeconfig as data."""

from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes import client, config

from live.kubeconfig import ClusterAccess

CONNECT_SECONDS = 5
READ_SECONDS = 15
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)


@contextmanager
def api_client(access: ClusterAccess) -> Iterator[client.ApiClient]:
    """A client of one cluster, closed afterwards.

    Nothing is retried; every call should pass ``_request_timeout=TIMEOUT``.
    """
    configuration = client.Configuration()
    config.load_kube_config_from_dict(access.document, client_configuration=configuration)
    configuration.retries = False
    with client.ApiClient(configuration) as api:
        try:
            yield api
        finally:
            # The library's own close leaves the connections open.
            api.rest_client.pool_manager.clear()
