"""Which way each tool is had: found on the machine, official release, built; in this order unless one is asked for."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from toolchain.cache import Origin, Tool, ToolCache, cache_root, is_disk_full
from toolchain.catalogue import GO_MODULES, Catalogue, FromGo, ToolSpec, read_catalogue
from toolchain.choices import Choices
from toolchain.downloads import DownloadError
from toolchain.errors import ToolError
from toolchain.found import checked, named_by_user, on_path, variable
from toolchain.golang import GoBuilds
from toolchain.hosts import PROBE_SECONDS, Hosts
from toolchain.report import Report, Step, default_report
from toolchain.ways import Builds, Releases

BUILD_GIGABYTES = 22.0
FETCH_GIGABYTES = 1.0
RELEASE_SECONDS = 20.0


class Toolchain:
    """Gives the tools that the lab and Pulumi need.

    Args:
        catalogue: the list of tools; default is ``tools.yaml``.
        root: cache folder; default is ``$SPANMESH_CACHE``, or ``spanmesh`` in the user's cache folder.
        modules: folder of the Go modules that the list names; default is ``toolchain/go``.
        probe_seconds: how long the one probe of all download hosts may take.
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        root: Path | None = None,
        modules: Path = GO_MODULES,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        self.catalogue = catalogue or read_catalogue()
        self.cache = ToolCache(root or cache_root())
        self.choices = Choices(self.cache.tools / "paths.json")
        self._hosts = Hosts(self.cache.root / "hosts.json", probe_seconds)
        self._go = GoBuilds(self.cache, self.catalogue, modules)
        self._builds = Builds(self.cache, self._go)
        self._releases = Releases(self.cache, self._hosts, self._pulumi)

    def find(self, name: str) -> Tool | None:
        """The tool if it is there already: at the user's path, on PATH, or in the cache. Installs nothing.

        Raises:
            ToolError: no tool is called ``name``, or the path that the user gave does not do.
        """
        spec = self.catalogue.spec(name)
        return self._on_machine(spec) or self.cache.get(spec.id, self._keys(spec, None))

    def ensure(
        self, names: Sequence[str], origin: Origin | None = None, report: Report | None = None
    ) -> dict[str, Tool]:
        """Have all of ``names`` there.

        Args:
            names: ids; ``name`` alone of a tool with several versions means the one for current Istio.
            origin: the only way to take; None: found on the machine, else release, else build.
            report: told of every step; default: standard error.

        Returns:
            The tools by the names that were given.

        Raises:
            ToolError: one cannot be had. What was finished until then stays.
        """
        wanted = {name: self.catalogue.spec(name) for name in names}
        order = [spec for spec in self.catalogue.tools if spec in wanted.values()]
        have = {spec.id: tool for spec in order if (tool := self._present(spec, origin))}
        if missing := [spec for spec in order if spec.id not in have]:
            told = report or default_report()
            try:
                have |= self._install(missing, origin, told)
            finally:
                told.close()
        return {name: have[spec.id] for name, spec in wanted.items()}

    def use_paths(self, named: Mapping[str, Path | None]) -> None:
        """Use the programs at these paths, now and in later runs; None takes a tool's path back.

        Raises:
            ToolError: one of them does not do; none is kept then.
        """
        good: dict[str, Path | None] = {}
        for name, path in named.items():
            spec = self.catalogue.spec(name)
            good[spec.id] = checked(spec, path, f"the path given for {spec.id}").path if path is not None else None
        self.choices.update(good)

    def why_not_on_path(self, name: str) -> str | None:
        """Why a program of this name that is on PATH is not used; None if there is none, or it is."""
        return on_path(self.catalogue.spec(name), self.cache.root)[1]

    def _present(self, spec: ToolSpec, origin: Origin | None) -> Tool | None:
        if origin in (None, "path") and (tool := self._on_machine(spec)):
            return tool
        return self.cache.get(spec.id, self._keys(spec, origin))

    def _on_machine(self, spec: ToolSpec) -> Tool | None:
        return named_by_user(spec, self.choices.read()) or on_path(spec, self.cache.root)[0]

    def _keys(self, spec: ToolSpec, origin: Origin | None) -> list[str]:
        release = self._releases.key(spec) if origin in (None, "release") else None
        build = self._builds.key(spec) if origin in (None, "build") else None
        return [key for key in (release, build) if key]

    def _install(self, specs: list[ToolSpec], origin: Origin | None, report: Report) -> dict[str, Tool]:
        if origin == "path":
            raise ToolError("\n".join(self._not_on_machine(spec) for spec in specs))
        if origin == "release":
            self._hosts.forget()
        with self.cache.lock(report.note):
            self._go.drop_scratch()
            # Another process may have installed some while this one waited.
            have = {spec.id: tool for spec in specs if (tool := self._present(spec, origin))}
            rest = [spec for spec in specs if spec.id not in have]
            if origin != "build":
                released = self._install_releases(rest, origin, report)
                have |= released
                rest = [spec for spec in rest if spec.id not in released]
            have |= self._install_builds(rest, report)
        return have

    def _install_releases(self, specs: list[ToolSpec], origin: Origin | None, report: Report) -> dict[str, Tool]:
        self._hosts.probe(url for spec in specs for url in self._releases.urls(spec))
        for cause in self._hosts.unreachable(url for spec in specs for url in self._releases.urls(spec)):
            report.note(f"download host not reachable: {cause}")
        candidates = [spec for spec in specs if origin == "release" or self._reachable(spec)]
        steps = {spec.id: Step(f"install the release of {spec.id}", RELEASE_SECONDS) for spec in candidates}
        report.plan(list(steps.values()))
        have = {}
        for spec in candidates:
            step = steps[spec.id]
            try:
                have[spec.id] = self._step(step, FETCH_GIGABYTES, partial(self._releases.install, spec), report)
            except DownloadError as cause:
                report.end(step, "not to be had")
                if origin == "release":
                    raise ToolError(
                        f"the official release of {spec.id} cannot be had: {cause}. "
                        "`--from build` builds it from pinned sources instead"
                    ) from cause
                report.note(f"{spec.id}: {cause}; it is built instead")
        return have

    def _install_builds(self, specs: list[ToolSpec], report: Report) -> dict[str, Tool]:
        steps = {spec.id: Step(self._builds.title(spec), spec.build.seconds) for spec in specs}
        report.plan(list(steps.values()))
        if (
            any(isinstance(spec.build, FromGo) for spec in specs)
            and (free := self.cache.free_gigabytes()) < BUILD_GIGABYTES
        ):
            report.note(
                f"builds need up to {BUILD_GIGABYTES:g} GB for a while, {self.cache.root} has {free:.0f} GB free"
            )
        have = {}
        for spec in specs:
            size = BUILD_GIGABYTES if isinstance(spec.build, FromGo) else FETCH_GIGABYTES
            have[spec.id] = self._step(steps[spec.id], size, partial(self._builds.install, spec), report)
        if specs and not os.environ.get("SPANMESH_KEEP_BUILD_CACHE"):
            self._go.drop_caches()
        return have

    def _step(self, step: Step, gigabytes: float, work: Callable[[], Tool], report: Report) -> Tool:
        report.start(step)
        try:
            tool = work()
        except OSError as cause:
            if is_disk_full(cause):
                raise self.cache.disk_full(step.title, gigabytes) from cause
            raise ToolError(f"{step.title}: {cause}") from cause
        report.end(step, f"{tool.version} ({tool.origin})")
        return tool

    def _reachable(self, spec: ToolSpec) -> bool:
        urls = self._releases.urls(spec)
        return bool(urls) and all(self._hosts.cause(url) is None for url in urls)

    def _not_on_machine(self, spec: ToolSpec) -> str:
        refused = on_path(spec, self.cache.root)[1]
        where = f"{refused}; " if refused else "it is not on PATH; "
        if spec.path.program is None:
            where = "its version cannot be told, so PATH is not searched for it; "
        return f"{spec.id}: {where}name its path by `--path {spec.id}=...` or {variable(spec)}"

    def _pulumi(self) -> Path:
        spec = self.catalogue.spec("pulumi")
        tool = self._present(spec, None)
        if tool is None:
            raise DownloadError("the Pulumi CLI, which installs plug-ins, is not there yet")
        return tool.path


def demo_tools(catalogue: Catalogue | None = None) -> list[str]:
    """Ids of the tools that `spanmesh demo` needs, in the order in which they are had."""
    return (catalogue or read_catalogue()).needed_by_demo()
