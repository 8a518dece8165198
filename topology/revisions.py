"""The istiods of one cluster by their revisions, and the tags that stand for these.

https://istio.io/latest/docs/setup/upgrade/canary/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from topology.defaults import ISTIOD_RELEASE, istio_of
from topology.model import Istio, Mesh

DEFAULT = "default"
"""Name of the revision that has none, and of the tag that stands for the default one."""
LABEL = "istio.io/rev"
INJECTION = "istio-injection"
TAG_LABEL = "istio.io/tag"
NAMED_RELEASE = f"{ISTIOD_RELEASE}-"


@dataclass(frozen=True)
class Revision:
    """One istiod of a cluster.

    Attributes:
        name: its revision.
        version: its Istio version.
    """

    name: str
    version: str

    @property
    def istiod(self) -> str:
        """Name of its Helm release, its Deployment and its Service."""
        return istiod_of(self.name)


def istiod_of(revision: str) -> str:
    """Name of the Helm release, the Deployment and the Service of a revision's istiod."""
    return ISTIOD_RELEASE if revision == DEFAULT else f"{NAMED_RELEASE}{revision}"


def revision_of(istiod: str) -> str:
    """The revision whose istiod has that name."""
    return DEFAULT if istiod == ISTIOD_RELEASE else istiod.removeprefix(NAMED_RELEASE)


def is_istiod(name: str) -> bool:
    """Whether a Helm release or a Deployment of istio-system with that name is an istiod."""
    return name == ISTIOD_RELEASE or name.startswith(NAMED_RELEASE)


def default_revision(istio: Istio) -> Revision:
    """The revision that injects what names none, and the mesh's gateways.

    Args:
        istio: of one cluster, complete.
    """
    return Revision(istio.revision or DEFAULT, istio.version or "")


def declared_revisions(istio: Istio) -> tuple[Revision, ...]:
    """Every istiod of a cluster, the one of the default revision first.

    Args:
        istio: of one cluster, complete.
    """
    return (default_revision(istio), *(Revision(each.name, each.version) for each in istio.revisions or ()))


def injecting(istio: Istio, named: str) -> Revision:
    """The revision that injects what names a revision or a tag; the default one, where that is declared no more.

    Args:
        istio: of one cluster, complete.
        named: value of the label istio.io/rev.
    """
    default = default_revision(istio)
    # `default` is the tag of the default revision, also where there is an istiod without a revision beside it.
    if named == DEFAULT:
        return default
    target = istio.tags.get(named, named)
    return next((each for each in declared_revisions(istio) if each.name == target), default)


def istiods(mesh: Mesh) -> dict[str, tuple[str, ...]]:
    """By cluster, the names of its istiods' Helm releases."""
    return {c.name: tuple(each.istiod for each in declared_revisions(istio_of(mesh, c))) for c in mesh.clusters}


def by_revisions(istio: Istio) -> bool:
    """Whether revisions are made use of; else there is one istiod, with its chart's own webhooks.

    Args:
        istio: of one cluster, complete.
    """
    return bool(istio.revisions or istio.tags) or default_revision(istio).name != DEFAULT


def base_version(istio: Istio) -> str:
    """The version of the chart base, whose CRDs serve every istiod: the newest of theirs.

    Args:
        istio: of one cluster, complete.
    """
    return newest(each.version for each in declared_revisions(istio))


def newest(versions: Iterable[str]) -> str:
    """The newest of some versions; one that is a name, not a number, counts as new. Of equal ones the first."""
    return max(versions, key=_age)


def _age(text: str) -> tuple[bool, Version]:
    try:
        return False, Version(text)
    except InvalidVersion:
        return True, Version("0")


def with_revision(istio: Istio, revision: Revision, tag: str = "") -> Istio:
    """The same with one more istiod, or another version of one beside the default revision.

    Args:
        istio: of one cluster, complete.
        revision: what is to be there.
        tag: a tag that is to stand for it; empty: none.
    """
    beside = [each for each in declared_revisions(istio)[1:] if each.name != revision.name]
    return _with(
        istio, default_revision(istio), [*beside, revision], {**istio.tags, **({tag: revision.name} if tag else {})}
    )


def without_revision(istio: Istio, name: str) -> Istio:
    """The same without an istiod beside the default revision, and without the tags that stand for it.

    Args:
        istio: of one cluster, complete.
        name: a revision that is not the default one.
    """
    beside = [each for each in declared_revisions(istio)[1:] if each.name != name]
    return _with(istio, default_revision(istio), beside, {t: of for t, of in istio.tags.items() if of != name})


def with_default(istio: Istio, name: str) -> Istio:
    """The same with another revision as the default one; the one that was stays beside it.

    Args:
        istio: of one cluster, complete; it declares that revision.
        name: the revision.
    """
    was = default_revision(istio)
    (now,) = (each for each in declared_revisions(istio) if each.name == name)
    beside = [was if each == now else each for each in declared_revisions(istio)[1:]]
    return _with(istio, now, beside, istio.tags)


def _with(istio: Istio, default: Revision, beside: Iterable[Revision], tags: Mapping[str, str]) -> Istio:
    return Istio.model_validate(
        {
            **istio.model_dump(exclude_unset=True),
            "version": default.version,
            "revision": default.name,
            "revisions": [{"name": each.name, "version": each.version} for each in beside],
            "tags": dict(tags),
        }
    )
