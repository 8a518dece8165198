"""Clients of the official Kubernetes library, from a kubeconfig as data."""

from kubernetes import client, config

from live.kubeconfig import ClusterAccess

CONNECT_SECONDS = 5
READ_SECONDS = 15
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)


def api_client(access: ClusterAccess) -> client.ApiClient:
    """A client of one cluster. Calls should pass ``_request_timeout=TIMEOUT``; nothing is retried."""
    configuration = client.Configuration()
    config.load_kube_config_from_dict(access.document, client_configuration=configuration)
    configuration.retries = False
    return client.ApiClient(configuration)
