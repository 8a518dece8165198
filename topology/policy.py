"""What a stack file says of the mesh's policy: files, typed helpers, and Services declared where they do not run."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from topology.declared import DNS_LABEL, Declared

SERVICE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
ServiceName = Annotated[
    str, Field(pattern=SERVICE, description="The Service, as `name.namespace`: `helloworld.sample`.")
]
Duration = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$")]


class Narrowed(Declared):
    """Which clusters something goes to: all, or those that any of the keys names."""

    clusters: list[str] = Field(default_factory=list, description="Only these clusters.")
    networks: list[str] = Field(default_factory=list, description="Only clusters on these networks.")
    regions: list[str] = Field(default_factory=list, description="Only clusters in these regions.")


class PolicyFile(Narrowed):
    """A file of policy, or a folder of them."""

    path: str = Field(
        description="File of Istio YAML, several documents each, or a folder of *.yaml; from the project's folder."
    )


class HeaderMatch(Declared):
    """How a header's value has to look: one of the three."""

    exact: str | None = Field(None, description="The whole value.")
    prefix: str | None = Field(None, description="Its start.")
    regex: str | None = Field(None, description="RE2 expression for the whole value.")

    @model_validator(mode="after")
    def _one(self) -> "HeaderMatch":
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of exact, prefix, regex")
        return self


class CanaryMatch(Declared):
    """Requests that go to one version whatever the weights say."""

    headers: dict[str, HeaderMatch] = Field(min_length=1, description="All of these headers, by name in lower case.")
    version: str = Field(description="The version that they go to, one of `versions`.")


def _sum_to_100(versions: dict[str, int]) -> dict[str, int]:
    if sum(versions.values()) != 100:
        total = " + ".join(str(weight) for weight in versions.values())
        raise ValueError(f"the weights have to sum to 100; {total} is {sum(versions.values())}")
    return versions


class Canary(Declared):
    """Shares of a Service's requests by version."""

    service: ServiceName
    versions: Annotated[dict[str, Annotated[int, Field(ge=0, le=100)]], AfterValidator(_sum_to_100)] = Field(
        min_length=1, description="Weight of each version in percent, by the value of `label`; they sum to 100."
    )
    label: str = Field("version", description="Label of the pods that tells the version.")
    match: list[CanaryMatch] = Field(default_factory=list, description="Requests that choose a version by headers.")

    @model_validator(mode="after")
    def _known(self) -> "Canary":
        for match in self.match:
            if match.version not in self.versions:
                raise ValueError(f"match names version {match.version}, which is not one of {', '.join(self.versions)}")
        return self


def subset_name(version: str) -> str:
    """The subset of a version: its name has to be a DNS label, which ``1.2_rc`` is not."""
    return re.sub(r"[^a-z0-9-]", "-", version.lower())


class Failover(Declared):
    """From a region to another."""

    from_: str = Field(alias="from", description="Region whose requests leave it when its endpoints fail.")
    to: str = Field(description="Region that they go to.")


class Retries(Declared):
    """Requests sent again, as VirtualService has it."""

    attempts: int = Field(3, ge=0, description="How often at most.")
    per_try_timeout: Duration | None = Field(None, description="Time for each try.")
    retry_on: str = Field(
        "connect-failure,refused-stream,unavailable,cancelled,503,reset",
        description="Envoy's retry conditions and HTTP status codes.",
    )


# One bad answer of a pod in another network would leave out everything behind its gateway's address (istio#52435).
GATEWAY_ERRORS = 3


class OutlierDetection(Declared):
    """When an endpoint counts as failed, as DestinationRule has it; without it no failover happens."""

    consecutive_gateway_errors: int | None = Field(
        None,
        ge=1,
        description="Gateway errors (502, 503, 504, no connection) in a row; an application's own 500 is none. "
        f"Default: {GATEWAY_ERRORS}, where `consecutive5xxErrors` is not given.",
    )
    consecutive_5xx_errors: int | None = Field(
        None, ge=1, alias="consecutive5xxErrors", description="5xx answers in a row; no connection counts too."
    )
    interval: Duration = Field("1s", description="Time between looks.")
    base_ejection_time: Duration = Field("1m", description="How long an endpoint is left out the first time.")
    max_ejection_percent: int = Field(
        100, ge=0, le=100, description="Share of endpoints that may be left out; less than 100 keeps some failed ones."
    )


class LocalityFailover(Declared):
    """Requests stay in their region, and go to another one when its endpoints fail."""

    service: ServiceName
    failover: list[Failover] = Field(
        default_factory=list, description="Where each region's requests go; without it, the next nearest locality."
    )
    outlier_detection: OutlierDetection = Field(
        default_factory=OutlierDetection, description="When an endpoint counts as failed."
    )
    load_balancer: Literal["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"] = Field(
        "ROUND_ROBIN", description="How endpoints of one region are chosen."
    )
    connection_pool: dict[str, Any] = Field(
        default_factory=lambda: {"tcp": {"connectTimeout": "2s"}, "http": {"maxRequestsPerConnection": 1}},
        description="connectionPool of the DestinationRule. An east-west gateway chooses a pod for each connection, "
        "and an endpoint that vanished is noticed by the time that a connection takes.",
    )
    retries: Retries | None = Field(default_factory=Retries, description="Requests sent again; null: Istio's own.")


class Helper(Narrowed):
    """What is written as a VirtualService and a DestinationRule, and where it goes."""

    acknowledge: dict[str, str] = Field(
        default_factory=dict, description="Findings that are meant: the reason, by the code (docs/policy-checks.md)."
    )


class CanaryItem(Helper):
    """A canary and where it goes."""

    canary: Canary = Field(description="The Service and its versions.")


class LocalityFailoverItem(Helper):
    """A locality failover and where it goes."""

    locality_failover: LocalityFailover = Field(description="Requests stay in their region until it fails.")


class ServicePort(Declared):
    """One port of a declared Service."""

    name: str = Field(
        pattern=DNS_LABEL, description="The same name as where it runs: it is what endpoints are found by."
    )
    port: int = Field(ge=1, le=65535, description="Its number.")
    app_protocol: str | None = Field(None, description="appProtocol, where the name does not tell the protocol.")


class DeclaredService(Declared):
    """A Service made in the clusters that do not run it, so that its name resolves there.

    A client asks the DNS of its own cluster first; without a Service of that name there is no address to connect to.
    """

    service: ServiceName
    ports: list[ServicePort] = Field(min_length=1, description="Its ports, named as where it runs.")
    served_by: list[str] = Field(min_length=1, description="Clusters that run it, and have the Service of their own.")


def _form_of_item(value: object) -> str:
    keys = set(value) if isinstance(value, dict) else set(getattr(value, "model_fields_set", ()))
    if isinstance(value, str):
        return "literal[path]"
    if "canary" in keys:
        return "literal[canary]"
    return "literal[localityFailover]" if {"localityFailover", "locality_failover"} & keys else "literal[file]"


PolicyItem = Annotated[
    Annotated[str, Tag("literal[path]")]
    | Annotated[PolicyFile, Tag("literal[file]")]
    | Annotated[CanaryItem, Tag("literal[canary]")]
    | Annotated[LocalityFailoverItem, Tag("literal[localityFailover]")],
    Discriminator(_form_of_item),
]
