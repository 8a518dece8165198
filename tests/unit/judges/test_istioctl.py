"""What istioctl prints, as findings in the lines of the files that were written: with a stand-in that prints it."""

import json
from pathlib import Path

import pytest

from judges import istioctl
from judges.analysis import analyse
from judges.istioctl import find, second_opinion, validate
from judges.rules import ANALYSED, FALSE_ALARMS, REFUSED, WARNED
from judges.written_out import WrittenOut
from policy.document import Document, parse
from policy.finding import Finding, at
from policy.shape.rules import WRONG_VALUE
from policy.world import Placed, World
from toolchain import Toolchain

TEXT = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: a
  namespace: b
spec:
  hosts: [a]
  http:
    # a comment, which what istioctl sees does not have
    - route:
        - destination:
            host: a
            subset: v9
"""
VERDICT = """\
"x.yaml" has warnings: 
\t* VirtualService/b/a: using deprecated setting "mirrorPercent"

Error: 2 errors occurred:
\t* VirtualService/b/a: duration must be greater than 1ms
\t* VirtualService/b/a: bad regex:
\t  missing closing ]
"""  # noqa: W291 - as istioctl prints it


@pytest.fixture
def document() -> Document:
    [document] = parse("# first\n---\n" + TEXT, "policies/a.yaml")
    return document


def _program(folder: Path, output: str, code: int, stream: int = 2) -> Path:
    (folder / "said").write_text(output)
    program = folder / "istioctl"
    program.write_text(f"#!/bin/sh\ncat {folder}/said >&{stream}\nexit {code}\n")
    program.chmod(0o755)
    return program


def test_each_entry_of_a_verdict_is_a_finding_of_its_document(document: Document, tmp_path: Path) -> None:
    said = list(validate(_program(tmp_path, VERDICT, 1), [document]))
    assert [(f.rule, f.file, f.line) for f in said] == [
        (WARNED, "policies/a.yaml", 3),
        (REFUSED, "policies/a.yaml", 3),
        (REFUSED, "policies/a.yaml", 3),
    ]
    assert said[2].message == "istioctl validate: bad regex: missing closing ]"


def test_warning_that_every_envoy_filter_gets_is_left_out(tmp_path: Path) -> None:
    [document] = parse("kind: EnvoyFilter\nmetadata: {name: a, namespace: b}\n", "a.yaml")
    said = f'"x" has warnings:\n\t* EnvoyFilter/b/a: {istioctl.ALWAYS} that may change at any time.\n'
    assert list(validate(_program(tmp_path, said, 0), [document])) == []


def test_istioctl_that_fails_without_a_verdict_is_missing(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = _program(tmp_path, "panic: no memory", 2)
    monkeypatch.setattr(istioctl, "find", lambda version, tools: program)
    opinion = second_opinion(World(None, (Placed(document, ()),)), version="1.32-dev")
    assert opinion.findings == ()
    assert opinion.missing == ("istioctl 1.32-dev could not be heard: panic: no memory",)


def test_analysis_is_told_in_the_lines_of_the_policy_file(document: Document, tmp_path: Path) -> None:
    copy = WrittenOut(tmp_path, [document]).files[0].read_text().splitlines()
    line = next(number for number, text in enumerate(copy, 1) if "subset" in text)
    messages = [_message("IST0109", "Error", line), _message("IST0130", "Warning", 1), _message("IST0131", "Info", 1)]
    program = _program(tmp_path, "a log line [with brackets]\n" + json.dumps(messages, indent="\t"), 0, stream=1)
    said = list(analyse(program, World(None, ()), [Placed(document, ())], ()))
    assert [(f.rule, f.line) for f in said] == [(ANALYSED, 15), (WARNED, 3)]


@pytest.mark.parametrize("code", [*sorted(FALSE_ALARMS), "IST0101"])
def test_known_false_alarms_and_what_needs_unknown_services_are_left_out(
    code: str, document: Document, tmp_path: Path
) -> None:
    program = _program(tmp_path, json.dumps([_message(code, "Error", 1)], indent="\t"), 0, stream=1)
    assert list(analyse(program, World(None, ()), [Placed(document, ())], ())) == []


def test_what_our_rules_refuse_is_not_said_twice(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = _program(tmp_path, VERDICT, 1)
    monkeypatch.setattr(istioctl, "find", lambda version, tools: program)
    monkeypatch.setattr(istioctl, "analyse", lambda *args: iter(()))
    world = World(None, (Placed(document, ()),))
    own: list[Finding] = [at(document, ("spec",), WRONG_VALUE, "it is wrong")]
    assert [f.rule for f in second_opinion(world, own, "1.32-dev").findings] == [WARNED]
    assert len(second_opinion(world, (), "1.32-dev").findings) == 3


def test_documents_are_shown_in_a_private_folder_that_goes_away(document: Document, tmp_path: Path) -> None:
    program = tmp_path / "istioctl"
    lines = [
        "#!/bin/sh",
        "for last; do :; done",
        "file=${last#--filename=}",
        f'stat -c %a "$(dirname "$file")" >{tmp_path}/mode',
        f'echo "$file" >{tmp_path}/file',
    ]
    program.write_text("\n".join(lines) + "\n")
    program.chmod(0o755)
    assert list(validate(program, [document])) == []
    assert (tmp_path / "mode").read_text().strip() == "700"
    assert not Path((tmp_path / "file").read_text().strip()).exists()


def test_istioctl_on_path_has_to_be_of_the_very_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "client version: 1.30.4\n", 0, stream=1)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find("1.30.4", Toolchain()) == tmp_path / "istioctl"
    assert find("1.30.5", Toolchain()) == f"{tmp_path / 'istioctl'} is version 1.30.4; put istioctl 1.30.5 on PATH"


def _message(code: str, level: str, line: int) -> dict[str, str]:
    return {"code": code, "level": level, "message": "it says so.", "reference": f"/tmp/x/00000.yaml:{line}"}  # noqa: S108
