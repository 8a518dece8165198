"""What tools.yaml promises about itself."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from toolchain import ToolError
from toolchain.catalogue import GO_MODULES, Catalogue, FromDownloads, FromGo, FromModuleFiles, FromWheel, read_catalogue
from toolchain.found import variable

CATALOGUE = read_catalogue()
SPECS = pytest.mark.parametrize("spec", CATALOGUE.tools, ids=lambda spec: spec.id)


def test_ids_and_variables_are_unique() -> None:
    assert len({spec.id for spec in CATALOGUE.tools}) == len(CATALOGUE.tools)
    assert len({variable(spec) for spec in CATALOGUE.tools}) == len(CATALOGUE.tools)


def test_what_the_demo_needs_is_built_before_what_tests_need() -> None:
    needed = [spec.needed_by for spec in CATALOGUE.tools]
    assert needed == sorted(needed)
    assert CATALOGUE.needed_by_demo()[:3] == ["kubectl", "kubernetes", "coredns"]


@SPECS
def test_every_source_is_pinned_by_hash(spec: object) -> None:
    recipe = getattr(spec, "build", None)
    if isinstance(recipe, FromGo | FromModuleFiles):
        sums = (GO_MODULES / recipe.module / "go.sum").read_text()
        assert sums
        if isinstance(recipe, FromModuleFiles):
            assert f"{recipe.source.replace('@', ' ')} h1:" in sums
    else:
        assert isinstance(recipe, FromWheel)
        assert all(len(value) == 64 for value in recipe.sha256)
    release = getattr(spec, "release", None)
    if isinstance(release, FromDownloads):
        assert all(file.sha256 or file.checksums for file in release.files)


@SPECS
def test_every_tool_has_a_release_or_says_why_not(spec: object) -> None:
    assert (getattr(spec, "release", None) is None) == (getattr(spec, "no_release", None) is not None)


def test_names_without_version_mean_current_istio() -> None:
    assert CATALOGUE.spec("pilot-agent") is CATALOGUE.spec("pilot-agent@current")
    assert CATALOGUE.spec("pilot-agent").version == CATALOGUE.current_istio
    assert CATALOGUE.spec("pilot-agent@1.22.3").version == "1.22.3"
    with pytest.raises(ToolError, match=r"pilot-agent@1\.23\.0"):
        CATALOGUE.spec("pilot-agent@1.23.0")


def test_misspelt_key_is_refused(tmp_path: Path) -> None:
    text = (GO_MODULES.parent / "tools.yaml").read_text().replace("needed_by: demo", "neededby: demo", 1)
    (tmp_path / "tools.yaml").write_text(text)
    with pytest.raises(ValidationError, match="neededby"):
        read_catalogue(tmp_path / "tools.yaml")


def test_plug_ins_are_those_of_the_pinned_sdks() -> None:
    lock = (GO_MODULES.parents[1] / "requirements" / "lab.lock").read_text()
    for resource in ("kubernetes", "tls"):
        assert f"\npulumi-{resource}=={CATALOGUE.spec(f'pulumi-resource-{resource}').version} " in lock
    assert f"\npulumi=={CATALOGUE.spec('pulumi').version} " in lock
    info = (GO_MODULES / "pulumi-resource-tls" / "info" / "info.go").read_text()
    assert f'"{CATALOGUE.spec("pulumi-resource-tls").version}"' in info


def test_catalogue_round_trips() -> None:
    assert Catalogue.model_validate_json(CATALOGUE.model_dump_json()) == CATALOGUE
