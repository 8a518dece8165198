"""Host names as Istio resolves them."""

SUFFIX = "svc.cluster.local"


def full_name(host: str, namespace: str) -> str:
    """The host as istiod sees it: a name without a dot is a Service of the object's own namespace.

    ``helloworld.sample`` is left as it is: Istio completes only names without any dot
    (https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination).

    Args:
        host: as written.
        namespace: of the object that names it.
    """
    return host if "." in host or host == "*" else f"{host}.{namespace}.{SUFFIX}"


def service_of(host: str) -> tuple[str, str] | None:
    """Namespace and name of the Service that a full host names; None where it names none of Kubernetes."""
    name, dot, rest = host.partition(".")
    namespace, _, suffix = rest.partition(".")
    return (namespace, name) if dot and suffix == SUFFIX and name != "*" else None
