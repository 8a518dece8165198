"""Way 2 for Pulumi: its own installers, against stand-ins of its download host."""

import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.toolchain.conftest import Make, Told, tool
from tests.unit.toolchain.stand_in import Host
from tests.unit.toolchain.test_release import tar
from tests.unit.toolchain.tls_proxy import proxy_to_stand_in
from toolchain import Tool, Toolchain, ToolError
from toolchain.downloads import GO_NAMES, machine

# What the real install.sh does with the arguments that pulumi.automation gives it.
INSTALL = b"""#!/bin/sh
set -eu
while [ $# -gt 0 ]; do
    case $1 in
    --install-root) root=$2; shift ;;
    --version) version=$2; shift ;;
    esac
    shift
done
mkdir -p "$root/bin"
curl -sSf "https://get.pulumi.com/releases/sdk/pulumi-v$version.tar.gz" | tar xz -C "$root/bin" --strip-components 1
"""
CLI = b"#!/bin/sh\necho v3.259.0\n"
LANGUAGE_HOST = b"#!/bin/sh\necho language host\n"
RELEASE = {"kind": "pulumi-installer", "host": "https://get.pulumi.com"}


@pytest.fixture
def get_pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with proxy_to_stand_in("get.pulumi.com", tmp_path) as (proxy, certificate, host):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        monkeypatch.setenv("CURL_CA_BUNDLE", str(certificate))
        # urllib looks at the proxy variables only once.
        monkeypatch.setattr(urllib.request, "_opener", None)
        yield host


def publish_cli(host: Host) -> None:
    files = {"pulumi/pulumi": CLI, "pulumi/pulumi-language-python": LANGUAGE_HOST}
    content = tar(files, mode=0o755)
    host.files |= {"/install.sh": INSTALL, "/releases/sdk/pulumi-v3.259.0.tar.gz": content}


def cli_tools(make: Make) -> Toolchain:
    return make(
        tool("pulumi", version="3.259.0", release=RELEASE),
        tool("pulumi-language-python", version="3.259.0", release=RELEASE),
    )


def test_cli_and_language_host_come_from_one_run_of_the_installer(make: Make, get_pulumi: Host, told: Told) -> None:
    publish_cli(get_pulumi)
    got = cli_tools(make).ensure(["pulumi", "pulumi-language-python"], "release", told)
    assert {entry.origin for entry in got.values()} == {"release"}
    for name, says in (("pulumi", "v3.259.0\n"), ("pulumi-language-python", "language host\n")):
        assert subprocess.run([got[name].path], capture_output=True, text=True, check=True).stdout == says
    assert get_pulumi.asked.count("GET /install.sh") == 1


def test_installer_that_fails_is_quoted_and_leaves_nothing(make: Make, get_pulumi: Host, told: Told) -> None:
    get_pulumi.files["/install.sh"] = b"#!/bin/sh\necho no build for this machine\nexit 3\n"
    with pytest.raises(ToolError, match=r"install\.sh ended with 3: no build for this machine"):
        cli_tools(make).ensure(["pulumi"], "release", told)
    assert cli_tools(make).find("pulumi") is None


def test_installer_that_ends_well_without_a_cli_is_not_believed(make: Make, get_pulumi: Host, told: Told) -> None:
    get_pulumi.files["/install.sh"] = b"#!/bin/sh\nexit 0\n"
    with pytest.raises(ToolError, match="release of pulumi cannot be had: Pulumi's installer"):
        cli_tools(make).ensure(["pulumi"], "release", told)


@pytest.fixture(scope="module")
def real_pulumi() -> Tool:
    found = Toolchain().find("pulumi")
    if found is None:
        pytest.skip("needs the Pulumi CLI: `./spanmesh tools install pulumi`")
    return found


def plugin_tools(make: Make, host: Host, real_pulumi: Tool) -> Toolchain:
    toolchain = make(
        tool("pulumi", version="3.259.0"),
        tool(
            "pulumi-resource-hello",
            version="4.5.6",
            release={"kind": "pulumi-plugin", "resource": "hello", "server": f"{host.url}/plugins"},
        ),
    )
    toolchain.use_paths({"pulumi": real_pulumi.path})
    return toolchain


def test_plug_in_comes_by_pulumi_plugin_install(make: Make, host: Host, real_pulumi: Tool, told: Told) -> None:
    content = b"#!/bin/sh\necho plug-in\n"
    name = f"/plugins/pulumi-resource-hello-v4.5.6-linux-{GO_NAMES[machine()]}.tar.gz"
    host.files[name] = tar({"pulumi-resource-hello": content})
    got = plugin_tools(make, host, real_pulumi).ensure(["pulumi-resource-hello"], "release", told)
    entry = got["pulumi-resource-hello"]
    assert (entry.origin, entry.version) == ("release", "4.5.6")
    assert entry.path.read_bytes() == content


def test_plug_in_that_the_host_lacks_is_an_error_that_names_the_command(
    make: Make, host: Host, real_pulumi: Tool, told: Told
) -> None:
    toolchain = plugin_tools(make, host, real_pulumi)
    with pytest.raises(ToolError, match=r"pulumi plugin install resource hello 4\.5\.6"):
        toolchain.ensure(["pulumi-resource-hello"], "release", told)
    assert toolchain.find("pulumi-resource-hello") is None
