"""`spanmesh gather`: lengths of time, and what it does where nothing can be written."""

from datetime import timedelta
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from cli.app import app
from cli.gather import duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
    ],
)
def test_lengths_of_time_are_read(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize("text", ["", "1", "h", "1w", "-1h", "1.5h", "0h", "99999999d"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no length of time"):
        duration(text)


def kubeconfig(folder: Path) -> Path:
    """One with both clusters of the lab's stack, where nothing listens."""
    names = ("cluster1", "cluster2")
    document = {
        "contexts": [{"name": name, "context": {"cluster": "none", "user": "none"}} for name in names],
        "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "none", "user": {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_folder_that_is_not_there_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    output = tmp_path / "nowhere" / "a.tar.gz"
    command = ["gather", "--stack", "lab", "--output", str(output)]
    ended = CliRunner().invoke(app, command, env={"KUBECONFIG": str(kubeconfig(tmp_path))})
    assert ended.exit_code == 1
    assert "No such file or directory" in ended.stderr
    assert "clusters are asked" not in ended.stderr
    assert ended.stdout == ""


def test_clusters_that_do_not_answer_still_make_a_bundle_with_the_reasons(tmp_path: Path) -> None:
    output = tmp_path / "a.tar.gz"
    command = ["gather", "--stack", "lab", "--output", str(output)]
    ended = CliRunner().invoke(app, command, env={"KUBECONFIG": str(kubeconfig(tmp_path))})
    assert ended.exit_code == 2, ended.output
    assert ended.stdout.startswith(f"{output} (")
    assert "does not answer" in ended.stderr
