"""The two ways to install a tool into the cache: its official release, or a build from pinned sources."""

import shutil
from collections.abc import Callable
from pathlib import Path

from toolchain.cache import Origin, Tool, ToolCache, digest
from toolchain.catalogue import FromDownloads, FromGo, FromModuleFiles, FromPulumiInstaller, FromPulumiPlugin, ToolSpec
from toolchain.downloads import DownloadError, fetch_release, machine, urls_of
from toolchain.golang import GoBuilds
from toolchain.hosts import Hosts, base_of
from toolchain.pulumi_release import install_cli, install_plugin
from toolchain.wheels import unpack_wheel


class Releases:
    """Installs official releases. ``pulumi`` gives the path of the Pulumi CLI, which installs the plug-ins."""

    def __init__(self, cache: ToolCache, hosts: Hosts, pulumi: Callable[[], Path]) -> None:
        self._cache = cache
        self._hosts = hosts
        self._pulumi = pulumi

    def key(self, spec: ToolSpec) -> str | None:
        """Identifies the release of ``spec``; None where there is none."""
        if spec.release is None:
            return None
        return f"{spec.version}-release-{digest(spec.release.model_dump_json().encode(), machine().encode())}"

    def urls(self, spec: ToolSpec) -> list[str]:
        """The hosts that have to answer for the release of ``spec``, as URLs."""
        match spec.release:
            case FromDownloads() as release:
                return urls_of(release)
            case FromPulumiInstaller() as release:
                return [release.host]
            case FromPulumiPlugin() as release:
                return [release.server]
            case None:
                return []

    def install(self, spec: ToolSpec) -> Tool:
        """Install the release of ``spec``.

        Raises:
            DownloadError: it cannot be had; the message says why.
        """
        key = self.key(spec)
        if key is None:
            raise DownloadError(spec.no_release or "there is no official release of it")
        for url in self.urls(spec):
            if (cause := self._hosts.cause(url)) is not None:
                raise DownloadError(f"{base_of(url)} cannot be reached: {cause}")
        return self._cache.put(spec.id, key, spec.name, lambda folder: self._make(spec, folder))

    def _make(self, spec: ToolSpec, folder: Path) -> tuple[str, Origin, str]:
        match spec.release:
            case FromDownloads() as release:
                source = fetch_release(release, spec.name, folder, self._hosts)
            case FromPulumiInstaller() as release:
                shutil.copy2(self._pulumi_programs(spec, release) / spec.name, folder / spec.name)
                source = release.host
            case FromPulumiPlugin() as release:
                shutil.copy2(install_plugin(self._pulumi(), release, spec.version, folder), folder / spec.name)
                shutil.rmtree(folder / ".home")
                source = release.server
            case None:
                raise DownloadError("no release")
        return spec.version, "release", source

    def _pulumi_programs(self, spec: ToolSpec, release: FromPulumiInstaller) -> Path:
        """The folder of the official CLI, which carries several of the tools: installed once."""
        key = f"{spec.version}-{digest(release.model_dump_json().encode(), machine().encode())}"
        whole = self._cache.get("pulumi-cli", [key]) or self._cache.put(
            "pulumi-cli",
            key,
            "cli",
            lambda folder: (spec.version, "release", str(install_cli(spec.version, folder / "cli"))),
        )
        return whole.path / "bin"


class Builds:
    """Builds tools from pinned Go modules and wheels."""

    def __init__(self, cache: ToolCache, go: GoBuilds) -> None:
        self._cache = cache
        self._go = go

    def key(self, spec: ToolSpec) -> str:
        """Identifies the build of ``spec``: changes with every file that goes into it."""
        recipe = spec.build
        if isinstance(recipe, FromGo | FromModuleFiles):
            return f"{spec.version}-build-{self._go.key(recipe)}"
        return (
            f"{spec.version}-build-{digest(recipe.model_dump_json(exclude={'seconds'}).encode(), machine().encode())}"
        )

    def title(self, spec: ToolSpec) -> str:
        """What the step is called."""
        return f"build {spec.id}" if isinstance(spec.build, FromGo) else f"fetch {spec.id}"

    def install(self, spec: ToolSpec) -> Tool:
        """Build ``spec``.

        Raises:
            ToolError: the build failed.
        """
        return self._cache.put(spec.id, self.key(spec), spec.name, lambda folder: self._make(spec, folder))

    def _make(self, spec: ToolSpec, folder: Path) -> tuple[str, Origin, str]:
        target = folder / spec.name
        match spec.build:
            case FromGo() as recipe:
                self._go.build(self.title(spec), recipe, target)
                source = f"toolchain/go/{recipe.module} {recipe.package}"
            case FromModuleFiles() as recipe:
                self._go.copy_files(self.title(spec), recipe, target)
                source = recipe.source
            case recipe:
                self._cache.logs.mkdir(parents=True, exist_ok=True)
                source = unpack_wheel(recipe, target, self._cache.downloads, self._cache.logs / f"fetch-{spec.id}.log")
        return spec.version, "build", source
