"""The Pulumi program: reads the stack's mesh, checks it against the clusters, and declares what this stack holds."""

from pathlib import Path

import pulumi

from components import Group, GroupArgs, Mesh, MeshArgs, TrustAndLinks, TrustAndLinksArgs, Upgrades, samples
from components.links import Access
from components.providers import cluster_provider
from judges.program import check_policy
from live.api_servers import ca_certificates
from live.declaration import program_mesh
from live.division import clusters_up
from live.drift import Expected
from live.drift.mending import mend_drift
from live.given_trust import read_given_trust
from live.kubeconfig import read_accesses
from live.made_clusters import OUTPUT as CLUSTER_UIDS
from live.made_clusters import refuse_lost
from live.preflight import check_clusters
from live.reachability import UnreachableError
from live.release_failure import explain_failed_release
from live.remote_access.sync import in_use
from live.sources import Sources, engine_stack_outputs
from live.trust.guard import guard_trust
from live.upgrade.program import prepare_upgrade
from policy.files import read_items
from policy.review import gather
from topology import MeshConfigError, load_mesh, load_sample, members
from topology.given_trust import GivenTrust
from topology.revisions import istiods

config = pulumi.Config()
group = config.get("group")
try:
    declared = load_mesh(program_mesh(config))
    sample = load_sample(config.get_object("sample"))
    clusters = members(declared, group)
    sources = Sources(Path.cwd(), engine_stack_outputs)
    accesses = read_accesses(declared, clusters, sources)
    links = Access() if group else Access(ca_certificates(declared, sources), in_use(accesses))
    given = GivenTrust() if group else read_given_trust(declared, sources)
    checked = check_clusters(declared, group, accesses)
    answering = checked.answering
    up = set() if group else clusters_up(declared, engine_stack_outputs)
    gathered = gather(declared, read_items(declared.policies, Path.cwd()))
    divided = bool(declared.groups) and not group
    if divided:
        answering = {name: access for name, access in answering.items() if name in up}
    if not group:
        check_policy(declared, gathered, answering, {sample.namespace} if sample else set())
        guard_trust(declared, given, accesses)
    upgrade = prepare_upgrade(declared, {} if divided else answering, checked.releases)
    placed = () if group else gathered.placed
    mend_drift(answering, Expected(pulumi.get_stack(), placed, releases=not divided, istiods=istiods(declared)))
except (MeshConfigError, UnreachableError) as error:
    raise pulumi.RunError(str(error)) from error

providers = {c.name: cluster_provider(c.name, accesses[c.name].text, c.skip_update_unreachable) for c in clusters}
upgrades = Upgrades(upgrade.after, upgrade.only_new)
hooks = {name: [explain_failed_release(access)] for name, access in accesses.items()}
stack: Mesh | Group | TrustAndLinks
if group:
    stack = Group("mesh", GroupArgs(declared, group, providers, hooks, upgrades))
elif divided:
    stack = TrustAndLinks("mesh", TrustAndLinksArgs(declared, providers, up, links, given, gathered.placed))
else:
    stack = Mesh("mesh", MeshArgs(declared, providers, hooks, links, given, gathered.placed, upgrades))
if not isinstance(stack, Group):
    refuse_lost(checked.lost, stack.trust.namespaces)
samples(sample, declared, stack.clusters, providers, gathered.placed)
for name, value in stack.summary(declared).items():
    pulumi.export(name, value)
pulumi.export(CLUSTER_UIDS, checked.uids)
