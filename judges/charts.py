"""The CRDs of one Istio version, and of the Gateway API that it knows, wherever they can be had."""

from collections.abc import Mapping
from pathlib import Path

from policy.shape import Types
from policy.shape.kinds import GATEWAY_API, ISTIO_GROUPS
from toolchain import Tool, Toolchain, ToolError
from toolchain.cache import ToolCache, cache_root
from toolchain.catalogue import Download, FromDownloads
from toolchain.downloads import DownloadError, fetch_release
from toolchain.hosts import Hosts

# Where a base chart keeps its CRDs: templated since 1.23, plain before.
CRD_FILES = ("files/crd-all.gen.yaml", "crds/crd-all.gen.yaml")
NO_FILE = f"has none of {', '.join(CRD_FILES)}"
INSTALL = "`spanmesh tools install` fetches them"


class MissingError(Exception):
    """The CRDs cannot be had; the message says why and what helps."""


def types_of(version: str, charts: str, project: Path, toolchain: Toolchain | None = None) -> Types:
    """The types of one Istio version. What cannot be had is a finding for each document that would need it.

    Args:
        version: Istio's, for example 1.30.5.
        charts: the stack's ``istio.charts``: a repository's URL, or a folder with ``<version>/base``.
        project: the project's folder, from which a relative folder is told.
        toolchain: where tools are looked for.
    """
    tools = toolchain or Toolchain()
    texts: list[str] = []
    missing: dict[str, str] = {}
    try:
        texts.append(istio_crds(version, charts, project, tools))
    except MissingError as cause:
        missing |= dict.fromkeys(ISTIO_GROUPS, str(cause))
    try:
        texts += gateway_crds(version, tools)
    except MissingError as cause:
        missing[GATEWAY_API] = str(cause)
    return _types(tuple(texts), missing)


def istio_crds(version: str, charts: str, project: Path, tools: Toolchain) -> str:
    """The text of Istio's CRDs: from the stack's folder of charts, the toolchain, or the chart repository.

    Raises:
        MissingError: nobody has them.
    """
    remote = "://" in charts
    if not remote and (base := project / charts / version / "base").is_dir():
        return _read(base)
    name = f"istio-charts@{version}"
    try:
        if tool := _find(tools, name):
            return _read(tool.path / "base")
        if remote:
            return _read(_released(version, charts))
    except (ToolError, DownloadError, OSError) as cause:
        raise MissingError(f"the CRDs of Istio {version} could not be had: {cause}") from cause
    raise MissingError(f"there is no {project / charts / version / 'base'}, and no {name} in the toolchain; {INSTALL}")


def gateway_crds(version: str, tools: Toolchain) -> list[str]:
    """The texts of the CRDs of the Gateway API that an Istio version is built with.

    Raises:
        MissingError: the toolchain does not have them.
    """
    name = f"gateway-api-crds@{version}"
    try:
        tool = _find(tools, name)
    except ToolError as cause:
        raise MissingError(f"the CRDs of the Gateway API could not be had: {cause}") from cause
    if tool is None:
        known = any(spec.id == name for spec in tools.catalogue.tools)
        why = INSTALL if known else f"toolchain/tools.yaml pins none for Istio {version}"
        raise MissingError(f"the CRDs of the Gateway API are not there; {why}")
    return [path.read_text("utf-8") for path in sorted(tool.path.glob("*.yaml"))]


_CACHE: dict[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], Types] = {}


def _types(texts: tuple[str, ...], missing: Mapping[str, str]) -> Types:
    """One object for equal texts: what a document is judged by is compared by identity."""
    key = (texts, tuple(sorted(missing.items())))
    if key not in _CACHE:
        _CACHE[key] = Types.of(texts, missing)
    return _CACHE[key]


def _find(tools: Toolchain, name: str) -> Tool | None:
    """The tool, if the catalogue has this version of it and it is there."""
    return tools.find(name) if any(spec.id == name for spec in tools.catalogue.tools) else None


def _read(base: Path) -> str:
    for name in CRD_FILES:
        if (base / name).is_file():
            return (base / name).read_text("utf-8")
    raise MissingError(f"{base} {NO_FILE}")


def _released(version: str, repository: str) -> Path:
    """The base chart of the repository, kept in the cache; checked against the digest in the repository's index.

    Raises:
        DownloadError: it cannot be had.
    """
    if not repository.startswith(("https://", "http://127.0.0.1:")):
        raise DownloadError(f"{repository} is no repository over https: put its charts into a folder and name that")
    cache = ToolCache(cache_root())
    name, key = f"istio-base-chart@{version}", f"{version}-release"
    if tool := cache.get(name, [key]):
        return tool.path
    index = f"{repository.rstrip('/')}/index.yaml"
    chart = Download(url=f"{repository.rstrip('/')}/base-{version}.tgz", member="base", into="", checksums=index)
    release = FromDownloads(kind="downloads", files=[chart])
    hosts = Hosts(cache.root / "hosts.json")
    if cause := hosts.cause(index):
        raise DownloadError(f"{repository} cannot be reached: {cause}")
    return cache.put(
        name, key, "base", lambda folder: (version, "release", fetch_release(release, "base", folder, hosts))
    ).path
