"""The programs that a lab takes from the toolchain, and the images made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import image_recipes
from lab.errors import LabError
from lab.images import Archive, ensure_archive
from toolchain import Toolchain, ToolError, cache_root

_ISTIO_PARTS = ("pilot-discovery", "pilot-agent", "envoy", "istio-bootstrap")


@dataclass(frozen=True)
class LabTools:
    """Paths of what a lab runs."""

    kubernetes: Path
    coredns: Path
    coredns_version: str
    istio: dict[str, dict[str, Path]]


def tool_names(istio_versions: Sequence[str]) -> list[str]:
    """Names, as the toolchain knows them, of all tools of a lab with these versions of Istio."""
    return ["kubernetes", "coredns", *(f"{part}@{version}" for version in istio_versions for part in _ISTIO_PARTS)]


def ensure_tools(istio_versions: Sequence[str]) -> LabTools:
    """Find, install or build the programs of a lab; the toolchain shows its own progress.

    Args:
        istio_versions: versions of Istio whose images the nodes shall hold.

    Raises:
        LabError: one of them cannot be had.
    """
    try:
        found = Toolchain().ensure(tool_names(istio_versions))
    except ToolError as error:
        raise LabError(str(error)) from error
    return LabTools(
        kubernetes=found["kubernetes"].path,
        coredns=found["coredns"].path,
        coredns_version=found["coredns"].version,
        istio={version: {part: found[f"{part}@{version}"].path for part in _ISTIO_PARTS} for version in istio_versions},
    )


def system_archives(tools: LabTools) -> list[Archive]:
    """Archives of the images without which no pod starts."""
    cache = cache_root() / "images"
    return [
        ensure_archive(image_recipes.pause(), cache),
        ensure_archive(image_recipes.coredns(tools.coredns, tools.coredns_version), cache),
    ]


def workload_archives(tools: LabTools) -> list[Archive]:
    """Archives of the sample workload's image and of Istio's, for each version."""
    cache = cache_root() / "images"
    archives = [ensure_archive(image_recipes.sample(), cache)]
    for version, paths in tools.istio.items():
        proxy = image_recipes.proxyv2(paths["pilot-agent"], paths["envoy"], paths["istio-bootstrap"], version)
        pilot = image_recipes.pilot(paths["pilot-discovery"], version)
        archives += [ensure_archive(pilot, cache), ensure_archive(proxy, cache)]
    return archives
