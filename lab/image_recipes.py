"""What goes into each image of the lab: binaries of the toolchain and files of the base system."""

import re
from collections.abc import Sequence
from pathlib import Path

from lab.commands import require_program, run
from lab.errors import LabError
from lab.images import Image, ImageFile
from lab.node_programs import PAUSE_IMAGE

SAMPLE_IMAGE = "localhost/sample:1"
ISTIO_HUB = "localhost/istio"

_ACCOUNTS = {
    "/etc/passwd": ImageFile(
        b"root:x:0:0::/:/bin/sh\nistio-proxy:x:1337:1337::/:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n"
    ),
    "/etc/group": ImageFile(b"root:x:0:\nistio-proxy:x:1337:\nnogroup:x:65534:\n"),
}
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Waits for ever, ends on SIGTERM, and as process 1 of a shared PID namespace reaps what is orphaned.
_PAUSE = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done"


def pause() -> Image:
    """The image that holds a pod's namespaces."""
    files, links = _busybox()
    return Image(PAUSE_IMAGE, files, ["/bin/sh", "-c", _PAUSE], links)


def sample() -> Image:
    """A small image for test workloads: busybox with its shell and httpd, and curl; serves nothing by itself."""
    files, links = _busybox()
    # Not busybox's wget: built statically, it dies when glibc looks up a name by the search list.
    files |= _executable("/usr/bin/curl", require_program("curl").resolve())
    folders = {"/tmp": 0o1777, "/www": 0o755}  # noqa: S108 - a folder in the image
    return Image(SAMPLE_IMAGE, {**files, **_ACCOUNTS}, ["/bin/sh"], links, folders)


def coredns(binary: Path, version: str) -> Image:
    """The cluster's DNS server."""
    files = {**_executable("/coredns", binary), **_certificates()}
    return Image(f"localhost/coredns:{version}", files, ["/coredns"])


def pilot(discovery: Path, version: str) -> Image:
    """Istio's control plane. Its chart demands a user that is not root and names none, so the image does."""
    files = {**_executable("/usr/local/bin/pilot-discovery", discovery), **_certificates(), **_ACCOUNTS}
    return Image(
        f"{ISTIO_HUB}/pilot:{version}",
        files,
        ["/usr/local/bin/pilot-discovery"],
        folders={"/tmp": 0o1777},  # noqa: S108 - a folder in the image
        user="1337:1337",
    )


def proxyv2(agent: Path, envoy: Path, bootstrap: Path, version: str) -> Image:
    """Istio's sidecar, gateway and init container: pilot-agent, Envoy, and iptables as the distribution has it.

    Args:
        agent: the binary pilot-agent.
        envoy: the binary envoy, which needs glibc.
        bootstrap: Envoy's bootstrap template of the same Istio version.
        version: tag of the image.
    """
    busybox_files, busybox_links = _busybox()
    iptables_files, iptables_links = _iptables()
    files = {
        **busybox_files,
        **iptables_files,
        **_executable("/usr/local/bin/pilot-agent", agent),
        **_executable("/usr/local/bin/envoy", envoy),
        "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": ImageFile(bootstrap),
        **_certificates(),
        **_ACCOUNTS,
    }
    return Image(
        f"{ISTIO_HUB}/proxyv2:{version}",
        files,
        ["/usr/local/bin/pilot-agent"],
        {**busybox_links, **iptables_links},
        # pilot-agent and iptables-legacy write below these; the container's user is not root.
        {"/tmp": 0o1777, "/run": 0o1777, "/etc/istio": 0o777, "/var/lib/istio/data": 0o777},  # noqa: S108
    )


def _executable(path: str, binary: Path) -> dict[str, ImageFile]:
    return {path: ImageFile(binary, 0o755), **_libraries([binary])}


def _busybox() -> tuple[dict[str, ImageFile], dict[str, str]]:
    busybox = require_program("busybox").resolve()
    names = run([busybox, "--list"]).split()
    links = {f"/bin/{name}": "busybox" for name in names if name != "busybox"}
    return _executable("/bin/busybox", busybox), links


def _iptables() -> tuple[dict[str, ImageFile], dict[str, str]]:
    files: dict[str, ImageFile] = {}
    links: dict[str, str] = {}
    binaries = []
    for kind in ("nft", "legacy"):
        multi = require_program(f"xtables-{kind}-multi").resolve()
        binaries.append(multi)
        files[f"/usr/sbin/{multi.name}"] = ImageFile(multi, 0o755)
        for family in ("iptables", "ip6tables"):
            for action in ("", "-save", "-restore"):
                links[f"/usr/sbin/{family}-{kind}{action}"] = multi.name
                if kind == "nft":
                    links[f"/usr/sbin/{family}{action}"] = multi.name
    extensions = sorted(_extension_folder().glob("*.so"))
    for extension in extensions:
        if extension.is_symlink():
            links[str(extension)] = str(extension.readlink())
        else:
            files[str(extension)] = ImageFile(extension, 0o644)
    return {**files, **_libraries(binaries, extensions)}, links


def _extension_folder() -> Path:
    for folder in (*Path("/usr/lib").glob("*-linux-gnu/xtables"), Path("/usr/lib64/xtables"), Path("/usr/lib/xtables")):
        if folder.is_dir():
            return folder
    raise LabError("the extensions of iptables (folder xtables below /usr/lib) are not installed")


def _certificates() -> dict[str, ImageFile]:
    if not _CERTIFICATES.exists():
        raise LabError(f"{_CERTIFICATES} is missing: install the package ca-certificates")
    return {str(_CERTIFICATES): ImageFile(_CERTIFICATES.resolve())}


def _libraries(binaries: Sequence[Path], plugins: Sequence[Path] = ()) -> dict[str, ImageFile]:
    """The shared libraries that binaries need, under the paths where their loader looks for them.

    Args:
        binaries: programs, static ones among them.
        plugins: libraries that the programs load by themselves, whose own needs count as well.
    """
    found: set[str] = set()
    for binary in filter(_is_dynamic, binaries):
        # What `ldd` does, but for all plug-ins in one go: the loader lists, and the program itself never runs.
        preload = ":".join(map(str, plugins))
        listed = run([binary], env={"LD_TRACE_LOADED_OBJECTS": "1", "LD_PRELOAD": preload})
        found.update(re.findall(r"(/\S+) \(0x", listed))
    return {path: ImageFile(Path(path).resolve(), 0o755) for path in sorted(found - set(map(str, plugins)))}


def _is_dynamic(binary: Path) -> bool:
    """Whether the file names a loader or shared libraries, by its program headers (types 3 and 2)."""
    with binary.open("rb") as file:
        header = file.read(64)
        if header[:5] != b"\x7fELF\x02":
            return False
        offset = int.from_bytes(header[32:40], "little")
        size = int.from_bytes(header[54:56], "little")
        count = int.from_bytes(header[56:58], "little")
        file.seek(offset)
        types = [int.from_bytes(file.read(size)[:4], "little") for _ in range(count)]
    return 2 in types or 3 in types
