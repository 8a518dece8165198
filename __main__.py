"""The Pulumi program: reads the stack's mesh, checks it against the clusters, and declares it."""

from pathlib import Path

import pulumi

from components import Mesh, MeshArgs, samples
from components.providers import cluster_provider
from live.declaration import program_mesh
from live.kubeconfig import read_accesses
from live.preflight import preflight
from live.release_failure import explain_failed_release
from live.sources import Sources, engine_stack_outputs
from topology import MeshConfigError, load_mesh, load_sample

config = pulumi.Config()
try:
    declared = load_mesh(program_mesh(config))
    sample = load_sample(config.get_object("sample"))
    accesses = read_accesses(declared, Sources(Path.cwd(), engine_stack_outputs))
    found = preflight(declared, accesses)
    # A pull request is previewed where the clusters may be out of reach; an update needs them all.
    for problem in found.unreachable:
        pulumi.log.warn(str(problem))
    found.raise_problems(unreachable_too=not pulumi.runtime.is_dry_run())
except MeshConfigError as error:
    raise pulumi.RunError(str(error)) from error

providers = {
    name: cluster_provider(name, access.text, declared.cluster(name).skip_update_unreachable)
    for name, access in accesses.items()
}
hooks = {name: [explain_failed_release(access)] for name, access in accesses.items()}
mesh = Mesh("mesh", MeshArgs(mesh=declared, providers=providers, on_error=hooks))
samples(sample, declared, mesh.clusters, providers)
for name, value in mesh.summary(declared).items():
    pulumi.export(name, value)
