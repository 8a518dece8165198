"""By which types the documents of each cluster are judged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from judges.charts import types_of
from policy.shape import Shape, Types
from policy.shape.kinds import ISTIO_GROUPS
from toolchain import Toolchain
from topology import Mesh
from topology.defaults import CHARTS, istio_of


@dataclass(frozen=True)
class Shapes:
    """What documents are held against.

    Attributes:
        by_cluster: by cluster, or by ``""`` without a mesh, what judges a document there.
        missing: why Istio's types could not be had. Of the Gateway API's, each of its documents is told.
    """

    by_cluster: Mapping[str, Shape]
    missing: tuple[str, ...]


def shapes_of(mesh: Mesh | None, project: Path, version: str | None = None) -> Shapes:
    """The types of each cluster's Istio version, and of ``version`` where there is no mesh.

    Args:
        mesh: the declared mesh; None where files are judged without a stack.
        project: the project's folder, where a stack's folder of charts is told from.
        version: Istio's, without a mesh; default is the toolchain's current one.
    """
    tools = Toolchain()
    if mesh is None:
        types = types_of(version or tools.catalogue.current_istio, CHARTS, project, tools)
        return Shapes({"": types.check}, tuple(_missing(types)))
    by_cluster = {}
    missing: dict[str, None] = {}
    for cluster in mesh.clusters:
        istio = istio_of(mesh, cluster)
        types = types_of(istio.version or "", istio.charts or CHARTS, project, tools)
        by_cluster[cluster.name] = types.check
        missing |= dict.fromkeys(_missing(types))
    return Shapes(by_cluster, tuple(missing))


def _missing(types: Types) -> Iterator[str]:
    yield from dict.fromkeys(reason for group in sorted(ISTIO_GROUPS) if (reason := types.reason(group)))
