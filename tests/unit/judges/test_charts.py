"""Where the CRDs of an Istio version are found, and what is said where they are not."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import yaml

from judges.charts import types_of
from policy.document import parse
from tests.unit.policy.corpus import HERE
from tests.unit.toolchain.stand_in import serving

CRDS = (HERE / "crds-1.22.3.yaml").read_text()
[SIDECAR] = parse("apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a, namespace: b}\n", "a.yaml")
[ROUTE] = parse("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n", "a.yaml")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANMESH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("place", ["crds", "files"])
def test_crds_come_from_the_folder_of_charts(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "charts" / "1.30.5" / "base" / place
    folder.mkdir(parents=True)
    (folder / "crd-all.gen.yaml").write_text(CRDS)
    types = types_of("1.30.5", "charts", tmp_path)
    assert types.has("networking.istio.io/v1", "Sidecar")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    types = types_of("1.30.5", "charts", tmp_path)
    [finding] = types.check(SIDECAR)
    assert finding.rule.code == "SM119"
    assert str(tmp_path / "charts" / "1.30.5" / "base") in finding.message


def test_crds_come_from_the_chart_repository_and_are_kept(tmp_path: Path) -> None:
    chart = _chart(CRDS)
    with serving() as host:
        host.files["/charts/base-1.30.5.tgz"] = chart
        host.files["/charts/index.yaml"] = _index(chart)
        assert types_of("1.30.5", f"{host.url}/charts", tmp_path).has("networking.istio.io/v1", "Sidecar")
        asked = len(host.asked)
        assert types_of("1.30.5", f"{host.url}/charts", tmp_path).has("networking.istio.io/v1", "Sidecar")
        assert len(host.asked) == asked


def test_chart_with_another_digest_is_not_used(tmp_path: Path) -> None:
    with serving() as host:
        host.files["/charts/base-1.30.5.tgz"] = _chart(CRDS)
        host.files["/charts/index.yaml"] = _index(b"another")
        types = types_of("1.30.5", f"{host.url}/charts", tmp_path)
    assert not types.has("networking.istio.io/v1", "Sidecar")
    assert any("it is not used" in reason for reason in types.reasons)


def test_version_without_pinned_gateway_api_says_so_only_of_its_documents(tmp_path: Path) -> None:
    folder = tmp_path / "charts" / "1.30.5" / "base" / "crds"
    folder.mkdir(parents=True)
    istio = [text for text in CRDS.split("---\n") if "gateway.networking.k8s.io" not in text]
    (folder / "crd-all.gen.yaml").write_text("---\n".join(istio))
    types = types_of("1.30.5", "charts", tmp_path)
    assert [f.rule.code for f in types.check(ROUTE)] == ["SM119"]
    assert "toolchain/tools.yaml pins none for Istio 1.30.5" in types.check(ROUTE)[0].message
    assert "SM119" not in {f.rule.code for f in types.check(SIDECAR)}


def _chart(crds: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("base/files/crd-all.gen.yaml")
        entry.size = len(crds.encode())
        tar.addfile(entry, io.BytesIO(crds.encode()))
    return packed.getvalue()


def _index(chart: bytes) -> bytes:
    entry = {"digest": hashlib.sha256(chart).hexdigest(), "urls": ["https://example.com/charts/base-1.30.5.tgz"]}
    return yaml.safe_dump({"entries": {"base": [entry]}}).encode()
