"""`spanmesh demo`: from a bare machine to one mesh across two separated networks, proven with requests."""

import os
import time
from collections.abc import Mapping
from typing import Annotated

import typer

from cli.console import err, fail, out, step
from cli.environment import ISTIO_CURRENT, PULUMI_TOOLS, charts_tool, lab_environment, link_charts
from cli.lab import shown_progress
from cli.matrix import matrix_table
from cli.project import ROOT, Stack, load_stack
from cli.pulumi import PulumiStack
from lab import Lab
from lab.preflight import check_machine
from lab.tools import tool_names
from live.load.traffic import Row, traffic_matrix
from toolchain import Origin, Toolchain
from topology import Mesh, links

STACK = "lab"
PROOF_SECONDS = 90


def demo(
    requests: Annotated[int, typer.Option(min=1, help="Requests from each cluster.")] = 40,
    origin: Annotated[
        Origin | None, typer.Option("--from", help="Take tools only from: build, release or path.")
    ] = None,
) -> None:
    """Set everything up, bring up two regions, mesh them with `pulumi up`, and send requests both ways."""
    started = time.monotonic()
    lab = Lab("demo")
    check_machine()
    step("Tools: Pulumi, Kubernetes, Istio, Envoy")
    tools = Toolchain().ensure([*tool_names([ISTIO_CURRENT]), *PULUMI_TOOLS, charts_tool(ISTIO_CURRENT)], origin=origin)
    step("Lab: two regions that cannot reach each other")
    with shown_progress() as report:
        lab.up(regions=2, istio_versions=[ISTIO_CURRENT], report=report)
    link_charts(tools)
    environment = lab_environment(lab, tools)
    os.environ.update(environment)
    step("Mesh: pulumi up")
    pulumi = PulumiStack(ROOT, STACK, environment)
    pulumi_up(pulumi)
    outputs = pulumi.outputs()
    stack = load_stack(STACK)
    step(f"Proof: {requests} requests from each cluster to helloworld.sample:5000")
    gateways = {name: cluster["eastWest"]["addresses"] for name, cluster in outputs["clusters"].items()}
    rows, silent = prove(stack, gateways, requests)
    out.print(matrix_table(rows, [c.name for c in stack.mesh.clusters]))
    for name, addresses in gateways.items():
        out.print(
            f"East-west gateway of {name}: {', '.join(addresses)} port {outputs['clusters'][name]['eastWest']['port']}"
        )
    if silent:
        fail("no answer where there must be one: " + "; ".join(silent))
    _next_steps(time.monotonic() - started)


def pulumi_up(stack: PulumiStack) -> None:
    """`pulumi up` with Pulumi's own display; ends the command when it fails."""
    selected = stack.select()
    if selected.returncode:
        fail(f"`pulumi stack select` failed:\n{selected.stdout}")
    if stack.run("up", "--yes", "--skip-preview", "--suppress-outputs").returncode:
        fail("`pulumi up` failed; why stands above. Run the same command again when that is cured")


def prove(stack: Stack, gateways: dict[str, list[str]], requests: int) -> tuple[dict[str, Row], list[str]]:
    """Traffic from every cluster, again until each cell that must answer did, or for 90 seconds.

    Returns:
        The last matrix, and what is silent in it.
    """
    deadline = time.monotonic() + PROOF_SECONDS
    while True:
        rows = traffic_matrix(stack.accesses, "sample", gateways, requests)
        silent = silent_cells(stack.mesh, rows)
        if not silent or time.monotonic() > deadline:
            return rows, silent
        err.print(f"    waiting for {'; '.join(silent)}")
        time.sleep(2)


def silent_cells(mesh: Mesh, rows: Mapping[str, Row]) -> list[str]:
    """Every cell that must answer and did not in full: own cluster and each linked peer, and no failed request."""
    must = [(c.name, c.name) for c in mesh.clusters] + [(k.reader.name, k.peer.name) for k in links(mesh)]
    silent = [f"{a} got no answer from {b}" for a, b in must if b not in rows[a].cells]
    return silent + [f"{name}: {row.failures.total()} requests failed" for name, row in rows.items() if row.failures]


def _next_steps(seconds: float) -> None:
    out.print(
        f"""
One mesh, two networks, {seconds:.0f} s. What to try next:
  eval "$(./spanmesh env)"                       a shell in which pulumi, kubectl and istioctl work on the lab
  ./spanmesh verify --stack {STACK}                     every check, then requests from every cluster to every other
  ./spanmesh explain cluster1/sample/deploy/sleep helloworld.sample:5000 --path /hello --stack {STACK}
                                                 one request, hop by hop
  pulumi preview --stack {STACK} --expect-no-changes    nothing has drifted
  kubectl --context cluster1 get pods -A         the first region; --context cluster2: the second
  pulumi stack output --stack {STACK}                   gateway addresses, root fingerprint and expiry
  ./spanmesh lab status                          every program of the lab
  pulumi destroy --stack {STACK}; ./spanmesh lab down   remove the mesh, then the lab""",
        highlight=False,
        soft_wrap=True,
    )
