"""Putting into a state what is declared and live, and the state does not know: as `pulumi import` reads it.

An import takes down every field of an object, those too that Kubernetes filled in. The next update would take these
for removed, and replace a Service for its clusterIP. So what is kept as declared of an object is no more than what the
program does declare, with the values that are live: the next preview shows what differs, and nothing else.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from live.state.deployment import (
    HIDDEN,
    KUBERNETES,
    RELEASE,
    UNKNOWN,
    Json,
    Planned,
    is_secret,
    resources,
    revealed,
    secret,
)
from live.state.standing import Standing

# Of a Helm release its record has these; how Helm is to be run stands nowhere but in the program.
RECORDED = {"values", "version"}


def import_file(
    declared: Sequence[Planned], found: Mapping[str, Standing], kubeconfigs: Mapping[str, str]
) -> dict[str, Any]:
    """What ``pulumi import --file`` is to read, each in a stack without components.

    Args:
        declared: what the program declares.
        found: which of it is live, by URN.
        kubeconfigs: text of the kubeconfig of each cluster, by Istio's name.
    """
    wanted = [each for each in declared if each.urn in found]
    clusters = {each.cluster for each in wanted}
    providers = {each.name: each for each in declared if each.type == KUBERNETES and each.name in clusters}
    return {
        "resources": [
            *(
                {"type": each.type, "name": name, "inputs": provider_inputs(each, kubeconfigs[name])}
                for name, each in providers.items()
            ),
            *(
                {
                    "type": each.type,
                    "name": each.name,
                    "id": found[each.urn].id,
                    "provider": each.cluster,
                    # Else the newest plug-in that is installed would read it.
                    "version": providers[str(each.cluster)].inputs.get("version", ""),
                }
                for each in wanted
            ),
        ]
    }


def provider_inputs(provider: Planned, kubeconfig: str) -> dict[str, Any]:
    """The inputs of a cluster's provider, with the kubeconfig that a preview hides."""
    return {**provider.inputs, "kubeconfig": secret(kubeconfig)}


def completed(
    state: Json,
    declared: Sequence[Planned],
    found: Mapping[str, Standing],
    imported: Json,
    kubeconfigs: Mapping[str, str],
) -> dict[str, Any]:
    """The state with what is live, what holds it, and the clusters' providers.

    Args:
        state: the stack's own, exported with its secrets.
        declared: what the program declares.
        found: which of the new of it is live, by URN.
        imported: the state that an import of ``found`` has made, exported with its secrets.
        kubeconfigs: text of the kubeconfig of each cluster, by Istio's name.
    """
    known = {each["urn"]: each for each in resources(state)}
    read = {(each["type"], each["urn"].rsplit("::", 1)[-1]): each for each in resources(imported)}
    kept = _kept(declared, found)
    ids = {urn: each["id"] for urn, each in known.items() if each["type"] == KUBERNETES}
    providers: dict[str, str] = {}
    added: list[dict[str, Any]] = []
    for each in declared:
        if each.type == KUBERNETES:
            ids.setdefault(each.urn, str(uuid.uuid4()))
            providers[each.name] = f"{each.urn}::{ids[each.urn]}"
        if each.urn not in kept or each.urn in known:
            continue
        resource = dict(each.rest)
        if each.type == KUBERNETES:
            inputs = provider_inputs(each, kubeconfigs[each.name])
            outputs = {key: value for key, value in inputs.items() if not key.startswith("__")}
            resource |= {"id": ids[each.urn], "inputs": inputs, "outputs": outputs}
        elif each.urn in found:
            resource |= _object(each, found[each.urn], read[each.type, each.name])
            resource["provider"] = providers[str(each.cluster)]
        added.append(_only_known(resource, known.keys() | kept))
    urns = {each.urn for each in declared}
    for resource in known.values():
        # A root whose key is of no use any more would stop the next update: Pulumi deletes nothing that is protected.
        if resource["type"].startswith("tls:") and resource["urn"] not in urns:
            resource.pop("protect", None)
    deployment = {**(state.get("deployment") or {}), "resources": [*known.values(), *added]}
    return {**state, "deployment": deployment}


def _kept(declared: Sequence[Planned], found: Mapping[str, Standing]) -> set[str]:
    """URNs of what is live, its providers, and the components that hold it, or hold nothing."""
    by_urn = {each.urn: each for each in declared}
    above = {each.urn: list(_above(each, by_urn)) for each in declared if each.custom}
    clusters = {by_urn[urn].cluster for urn in found}
    holding = {urn for chain in above.values() for urn in chain}
    return {
        *found,
        *(urn for each in found for urn in above[each]),
        *(each.urn for each in declared if each.type == KUBERNETES and each.name in clusters),
        *(each.urn for each in declared if not each.custom and each.urn not in holding),
    }


def _above(each: Planned, by_urn: Mapping[str, Planned]) -> Iterator[str]:
    parent = each.parent
    while parent is not None and parent in by_urn:
        yield parent
        parent = by_urn[parent].parent


def _object(each: Planned, standing: Standing, read: Json) -> dict[str, Any]:
    outputs = dict(read["outputs"])
    if each.type == RELEASE:
        inputs = {key: outputs.get(key, value) if key in RECORDED else value for key, value in each.inputs.items()}
        outputs |= {key: value for key, value in inputs.items() if key in outputs}
        return {"id": read["id"], "inputs": inputs, "outputs": outputs | {"__inputs": secret(inputs)}}
    live = {key: value for key, value in outputs.items() if not key.startswith("__")}
    # Kubernetes turns the one into the other, and so does the provider before it compares.
    wanted = {("data" if key == "stringData" else key): value for key, value in each.inputs.items()}
    inputs = live_values(wanted, live)
    outputs["__inputs"] = inputs
    if standing.manager:
        outputs["__fieldManager"] = standing.manager
    return {"id": read["id"], "inputs": inputs, "outputs": outputs}


def live_values(declared: Any, live: Any) -> Any:
    """What is live of the fields that are declared, and of no others.

    Args:
        declared: what the program declares, or a part of it; a preview hides secrets and what is not known yet.
        live: the same part as it is.
    """
    if declared in (HIDDEN, UNKNOWN) or is_secret(live):
        return live
    if isinstance(declared, Mapping) and isinstance(live, Mapping):
        return {
            key: live_values(value, live[key]) if key in live else value
            for key, value in declared.items()
            if key in live or value in ({}, [], None)
        }
    if isinstance(declared, list) and isinstance(live, list) and len(declared) == len(live):
        return [live_values(*pair) for pair in zip(declared, live, strict=True)]
    return live


def _only_known(resource: dict[str, Any], urns: set[str]) -> dict[str, Any]:
    """Without dependencies on what the state does not have: keys and certificates that are made anew."""
    if "dependencies" in resource:
        resource["dependencies"] = [urn for urn in resource["dependencies"] if urn in urns]
    if "propertyDependencies" in resource:
        resource["propertyDependencies"] = {
            key: [urn for urn in below if urn in urns] for key, below in resource["propertyDependencies"].items()
        }
    return resource


def certificates(state: Json) -> Iterator[tuple[str, str]]:
    """Pulumi's name of each self-signed certificate in a state, and its PEM."""
    for each in resources(state):
        if each["type"].endswith(":SelfSignedCert"):
            yield each["urn"].rsplit("::", 1)[-1], str(revealed((each.get("outputs") or {}).get("certPem")))
