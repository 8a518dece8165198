"""The clusters of a proxy's configuration: where it can send, and how it secures the connection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envoy.origin import Origin, istio_metadata, origin

TLS_SOCKET = "envoy.transport_sockets.tls"


@dataclass(frozen=True)
class Subset:
    """What the name of one of Istio's clusters says: ``outbound|5000|v1|helloworld.sample.svc.cluster.local``.

    Attributes:
        direction: ``outbound`` or ``inbound``.
        port: the Service's port.
        subset: of the DestinationRule; empty: all.
        host: the Service's full name; empty for inbound ones.
    """

    direction: str
    port: int
    subset: str
    host: str

    @property
    def sni(self) -> str:
        """By this name a client's proxy asks an east-west gateway for it, which knows its own cluster by it."""
        return f"{self.direction}_.{self.port}_.{self.subset}_.{self.host}"


@dataclass(frozen=True)
class UpstreamTls:
    """TLS to an endpoint.

    Attributes:
        sni: server name that is asked for; empty: none.
        sans: names of which the server's certificate has to have one, as Envoy matches them: ``exact``,
            ``prefix``, ... and the text; empty: any.
        alpn: application protocols.
        certificate: name of the secret that the client shows; empty: it shows none.
        validation: name of the secret with the roots, or the path of a file; empty: nothing is verified.
    """

    sni: str = ""
    sans: tuple[tuple[str, str], ...] = ()
    alpn: tuple[str, ...] = ()
    certificate: str = ""
    validation: str = ""

    @property
    def istio_mutual(self) -> bool:
        """Whether it is Istio's own mutual TLS."""
        return self.certificate == "default" and "istio" in self.alpn


@dataclass(frozen=True)
class SocketMatch:
    """TLS, or None for plain text, for endpoints whose metadata has these labels."""

    labels: Mapping[str, str]
    tls: UpstreamTls | None


@dataclass(frozen=True)
class Cluster:
    """One cluster of a proxy.

    Attributes:
        name: its name.
        type: ``EDS``, ``STATIC``, ``STRICT_DNS``, ``LOGICAL_DNS`` or ``ORIGINAL_DST``.
        endpoints: by this name the proxy asks for its endpoints.
        origin: the DestinationRule that it was made with; None: there is none.
        matches: how endpoints with labels are reached, first match first.
        tls: how all others are reached; None: in plain text.
        outlier_detection: whether endpoints that fail are ejected.
        locality_weighted: whether localities have weights of their own.
        services: full names of the Services that it stands for.
    """

    name: str
    type: str
    endpoints: str
    origin: Origin | None = None
    matches: tuple[SocketMatch, ...] = ()
    tls: UpstreamTls | None = None
    outlier_detection: bool = False
    locality_weighted: bool = False
    services: tuple[str, ...] = ()

    def tls_to(self, labels: Mapping[str, str]) -> UpstreamTls | None:
        """TLS to an endpoint; None: plain text.

        Args:
            labels: the endpoint's ``envoy.transport_socket_match`` metadata.
        """
        for match in self.matches:
            if all(labels.get(key) == value for key, value in match.labels.items()):
                return match.tls
        return self.tls


def subset_of(name: str) -> Subset | None:
    """What the name of a cluster says; None where it is none of Istio's for a port.

    Args:
        name: ``outbound|5000|v1|host`` of a sidecar, or ``outbound_.5000_.v1_.host`` of a gateway and of an SNI.
    """
    parts = name.split("_.", 3) if name.startswith("outbound_.") else name.split("|", 3)
    if len(parts) != 4 or not parts[1].isdigit():
        return None
    return Subset(parts[0], int(parts[1]), parts[2], parts[3])


def read_cluster(body: Mapping[str, Any]) -> Cluster:
    """A cluster of a config_dump.

    Args:
        body: ``envoy.config.cluster.v3.Cluster`` as JSON.
    """
    noted = istio_metadata(body.get("metadata"))
    return Cluster(
        name=str(body.get("name") or ""),
        type=str(body.get("type") or body.get("cluster_type", {}).get("name") or "STATIC"),
        endpoints=str((body.get("eds_cluster_config") or {}).get("service_name") or body.get("name") or ""),
        origin=origin(body.get("metadata")),
        matches=tuple(
            SocketMatch(
                {str(k): str(v) for k, v in (match.get("match") or {}).items()}, _tls(match.get("transport_socket"))
            )
            for match in body.get("transport_socket_matches") or ()
        ),
        tls=_tls(body.get("transport_socket")),
        outlier_detection="outlier_detection" in body,
        locality_weighted="locality_weighted_lb_config" in (body.get("common_lb_config") or {}),
        services=tuple(str(service.get("host")) for service in noted.get("services") or ()),
    )


def _tls(socket: Mapping[str, Any] | None) -> UpstreamTls | None:
    if not socket or socket.get("name") != TLS_SOCKET:
        return None
    config = socket.get("typed_config") or {}
    context = config.get("common_tls_context") or {}
    combined = context.get("combined_validation_context") or {}
    validation = combined.get("default_validation_context") or context.get("validation_context") or {}
    roots = combined.get("validation_context_sds_secret_config") or context.get("validation_context_sds_secret_config")
    certificates = context.get("tls_certificate_sds_secret_configs") or ()
    return UpstreamTls(
        sni=str(config.get("sni") or ""),
        sans=tuple(name_matches(validation)),
        alpn=tuple(map(str, context.get("alpn_protocols") or ())),
        certificate=str(certificates[0].get("name") or "") if certificates else "",
        validation=str((roots or {}).get("name") or (validation.get("trusted_ca") or {}).get("filename") or ""),
    )


def name_matches(validation: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """The subject alternative names that a validation context takes: kind of match and text.

    Args:
        validation: ``CertificateValidationContext`` as JSON.
    """
    typed = [each.get("matcher") or {} for each in validation.get("match_typed_subject_alt_names") or ()]
    return [
        (str(kind), str(text["regex"] if isinstance(text, Mapping) else text))
        for match in [*(validation.get("match_subject_alt_names") or ()), *typed]
        for kind, text in match.items()
        if kind != "ignore_case"
    ]
