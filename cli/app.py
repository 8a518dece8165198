"""The `spanmesh` command: its sub-commands, and how errors end it."""

import sys

import typer

from cli import lab, policy, revision, rotate, tools
from cli.adopt import adopt
from cli.changed_stacks import changed_stacks
from cli.changes import GitError
from cli.console import err, fail
from cli.demo import demo
from cli.diagnose import diagnose
from cli.drift import drift
from cli.env import env
from cli.explain import explain
from cli.forget import forget
from cli.gateways import gateways
from cli.gather import gather
from cli.preview import clusterless_preview
from cli.pulumi import PulumiError
from cli.reference import reference
from cli.repair import repair
from cli.report import report
from cli.rescue import rescue
from cli.status import status
from cli.tokens import tokens
from cli.topology import topology
from cli.upgrade import upgrade
from cli.verify import verify
from lab import LabError
from live.load.traffic import NoClientError
from live.reachability import UnreachableError
from toolchain import ToolError
from topology import MeshConfigError

EXPECTED = (LabError, ToolError, MeshConfigError, UnreachableError, NoClientError, PulumiError, GitError)

app = typer.Typer(
    name="spanmesh",
    help="One Istio service mesh over Kubernetes clusters whose networks cannot reach each other.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(env)
app.command()(topology)
app.command()(gather)
app.command()(gateways)
app.command()(clusterless_preview)
app.command()(changed_stacks)
app.command()(adopt)
app.command()(repair)
app.command()(diagnose)
app.command()(drift)
app.command()(explain)
app.command()(forget)
app.command()(report)
app.command()(rescue)
app.command()(status)
app.command()(tokens)
app.command()(upgrade)
app.command()(verify)
app.command(hidden=True)(reference)
app.add_typer(lab.app, name="lab")
app.add_typer(policy.app, name="policy")
app.add_typer(revision.app, name="revision")
app.add_typer(rotate.app, name="rotate")
app.add_typer(tools.app, name="tools")


def main() -> None:
    """Run the command; an expected error ends it with its message and exit code 1."""
    try:
        app(prog_name="spanmesh")
    except EXPECTED as error:
        fail(str(error))
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(130)
