"""What is read from the Pulumi CLI."""

from pathlib import Path

import pytest

from cli.pulumi import PulumiError, PulumiStack


def stack(folder: Path, script: str) -> PulumiStack:
    """A stack whose Pulumi is a shell script."""
    program = folder / "pulumi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return PulumiStack(folder, "test", {"PATH": f"{folder}:/usr/bin:/bin"})


def test_warnings_of_pulumi_do_not_spoil_what_it_prints_as_json(tmp_path: Path) -> None:
    assert stack(tmp_path, """echo 'warning: old' >&2; echo '{"meshId": "mesh1"}'""").outputs() == {"meshId": "mesh1"}


def test_a_failing_command_is_named_with_its_stack(tmp_path: Path) -> None:
    with pytest.raises(PulumiError, match="`pulumi stack output --json` of stack test failed"):
        stack(tmp_path, "echo 'error: locked' >&2; exit 255").outputs()


def test_what_providers_leave_in_the_folder_for_temporary_files_goes_with_the_command(tmp_path: Path) -> None:
    leaves = 'touch "$TMPDIR/kubeconfig1"; ls "$TMPDIR" >> seen; echo "$TMPDIR" >> folders; echo "{}"'
    pulumi = stack(tmp_path, leaves)
    pulumi.run("up", capture=True)
    pulumi.shown("up")
    pulumi.read("stack", "output")
    pulumi.feed("", "import")
    pulumi.preview()
    folders = (tmp_path / "folders").read_text().split()
    assert (tmp_path / "seen").read_text().split() == ["kubeconfig1"] * 5
    assert [folder for folder in folders if Path(folder).exists()] == []
