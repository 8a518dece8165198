"""The file of a cloud as a strict model, and the files of this package."""

import difflib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from topology.clouds.rules import AnyRule, Condition
from topology.clouds.settings import NAMES
from topology.declared import DNS_LABEL, Declared
from topology.gateway import Gateway


class CloudError(ValueError):
    """The file of a cloud is broken: a mistake of this project, not of the user."""


class Source(Declared):
    """Where a fact stands."""

    url: str = Field(pattern=r"^https://", description="Address of the page.")
    by: Literal["vendor", "code", "upstream", "third party"] = Field(
        description="vendor: its documentation; code: its published source; upstream: Kubernetes or Istio; "
        "third party: somebody else's account."
    )


class Fact(Declared):
    """Something to know of the cloud that is no rule."""

    about: str = Field(min_length=3, description="For example: access, externalIPs.")
    says: str = Field(min_length=5, description="In Markdown; no full stop.")
    source: str = Field(description="Key of `sources`.")


class Default(Declared):
    """What is written where the user does not."""

    when: Condition = Field(default_factory=dict, description="By what the user wrote; empty: always.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Below the user's annotations.")
    load_balancer_class: str | None = Field(None, description="Where the user gives none.")
    because: str = Field(min_length=10, description="Why; no full stop.")
    source: str = Field(description="Key of `sources`.")


class Address(Declared):
    """What the load balancer's address is; the first whose condition holds."""

    when: Condition = Field(default_factory=dict, description="Where it is so; empty: everywhere.")
    kind: Literal["ip", "hostname"] = Field(description="What stands in the Service's status.")
    source: str = Field(description="Key of `sources`.")


class Closed(Declared):
    """A way besides `sourceRanges` by which not everyone reaches the load balancer."""

    when: Condition = Field(min_length=1)
    source: str = Field(description="Key of `sources`.")


class Cloud(Declared):
    """One cloud: the file ``<name>.yaml``.

    Attributes:
        name: as in the key ``cloud`` of a cluster.
    """

    name: str = Field(pattern=DNS_LABEL)
    title: str = Field(min_length=3, description="The vendor's name of it.")
    sources: dict[str, Source] = Field(min_length=1)
    prefixes: list[str] = Field(min_length=1, description="How the names of its own annotations begin.")
    older_prefixes: dict[str, str] = Field(
        default_factory=dict, description="Prefixes that it still takes, to those it writes today."
    )
    defaults: list[Default] = Field(default_factory=list)
    addresses: list[Address] = Field(min_length=1)
    closed: list[Closed] = Field(default_factory=list)
    rules: list[AnyRule] = Field(default_factory=list)
    facts: list[Fact] = Field(min_length=1)
    example: Gateway = Field(description="An east-west gateway that works there.")

    def url(self, source: str) -> str:
        """Address of one of its sources."""
        return self.sources[source].url

    @model_validator(mode="after")
    def _refers_to_what_there_is(self) -> Self:
        parts = [*self.defaults, *self.addresses, *self.closed, *self.rules, *self.facts]
        cited = [part.source for part in parts]
        if unknown := sorted({source for source in cited if source not in self.sources}):
            raise ValueError(f"no such source: {', '.join(unknown)}")
        if idle := sorted(set(self.sources) - set(cited)):
            raise ValueError(f"nothing cites the source {', '.join(idle)}")
        named = [name for part in [*self.defaults, *self.addresses, *self.closed, *self.rules] for name in part.when]
        named += [name for rule in self.rules for name in rule.names()]
        named += [name for default in self.defaults for name in default.annotations]
        if self.addresses[-1].when:
            raise ValueError("the last of `addresses` must hold everywhere")
        own = (*self.prefixes, *SHARED_PREFIXES)
        if strange := sorted({name for name in named if name not in NAMES and not name.startswith(own)}):
            raise ValueError(f"neither a key of a gateway nor an annotation of this cloud: {', '.join(strange)}")
        return self


# An annotation of Kubernetes itself, which several clouds read.
SHARED_PREFIXES = ("service.beta.kubernetes.io/load-balancer-source-ranges",)
SUFFIX = ".yaml"


def parsed(name: str, text: str) -> Cloud:
    """A cloud from the text of its file.

    Args:
        name: the file's name without its suffix.
        text: YAML.

    Raises:
        CloudError: naming the file and what is wrong with it.
    """
    try:
        declared: Any = yaml.safe_load(text)
        return Cloud.model_validate({**declared, "name": name})
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise CloudError(f"topology/clouds/{name}{SUFFIX}: {error}") from error


@cache
def clouds() -> Mapping[str, Cloud]:
    """Every cloud by name, in alphabetical order."""
    texts = {
        file.name.removesuffix(SUFFIX): file.read_text(encoding="utf-8")
        for file in files(__package__ or "topology.clouds").iterdir()
        if file.name.endswith(SUFFIX)
    }
    return MappingProxyType({name: parsed(name, texts[name]) for name in sorted(texts)})


def cloud_names() -> list[str]:
    """The names that the key ``cloud`` may have, in alphabetical order."""
    return list(clouds())


def cloud(name: str) -> Cloud:
    """The cloud called ``name``; raises KeyError when there is none (:func:`unknown_cloud` has the words)."""
    return clouds()[name]


def unknown_cloud(name: str) -> tuple[str, str]:
    """Cause and cure for a name that no cloud has."""
    near = difflib.get_close_matches(name, cloud_names(), n=1)
    meant = f"Did you mean `{near[0]}`? " if near else ""
    return (
        f"no preset is called {name!r}",
        f"{meant}Known: {', '.join(cloud_names())}; leave it out for a cloud that has none",
    )
