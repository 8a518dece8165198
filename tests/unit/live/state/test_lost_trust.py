"""When the key of a root counts as lost, and what the stack file has to give then."""

from typing import Any

import pytest

from live.state.lost_trust import Authority, given_anew, outdated_keys
from tests import authority as made
from tests.authority import root
from topology import Mesh, MeshConfigError, load_mesh

PRESENT, NEW, OTHER = root("Root CA"), root("Root CA 2"), root("Somebody")


def mesh(trust: dict[str, Any] | None = None, *clusters: dict[str, Any]) -> Mesh:
    own = clusters or ({}, {})
    return load_mesh(
        {
            "trust": trust or {},
            "clusters": [
                {
                    "name": f"cluster{n}",
                    "network": f"network{n}",
                    "apiServer": f"https://203.0.113.1{n}:6443",
                    "trust": each,
                }
                for n, each in enumerate(own, start=1)
            ],
        }
    )


def state(**roots: made.Authority) -> dict[str, Any]:
    """A state with generated roots, by Pulumi's name of each."""
    kind = "tls:index/selfSignedCert:SelfSignedCert"
    return {
        "deployment": {
            "resources": [
                {
                    "urn": f"urn:pulumi:test::spanmesh::{kind}::{name.replace('_', '-')}-cert",
                    "type": kind,
                    "outputs": {"certPem": each.pem},
                }
                for name, each in roots.items()
            ]
        }
    }


def authority(roots: str, signer: made.Authority = PRESENT) -> Authority:
    issued = signer.issue("Intermediate CA")
    return Authority(issued.pem, issued.key_pem, roots)


def both(roots: str = PRESENT.pem) -> dict[str, Authority]:
    return {"cluster1": authority(roots), "cluster2": authority(roots)}


def test_nothing_is_lost_where_the_state_has_the_root_that_the_clusters_trust() -> None:
    assert given_anew(mesh(), state(mesh_trust_root=PRESENT), both()) is None


def test_nothing_is_lost_before_anything_runs() -> None:
    assert given_anew(mesh(), {}, {}) is None


def test_an_empty_state_lost_the_root_and_the_clusters_go_on_with_what_they_have() -> None:
    live = both()
    given = given_anew(mesh(), {"deployment": {}}, live)
    assert given is not None
    assert given.root == PRESENT.pem
    assert given.authorities == live
    assert given.generation == 2


def test_a_state_of_last_week_lost_the_root_that_came_since() -> None:
    given = given_anew(mesh({"generation": 2}), state(mesh_trust_root=PRESENT), both(NEW.pem))
    assert given is not None
    assert (given.root, given.generation) == (NEW.pem, 3)


def test_a_root_that_was_made_anew_by_mistake_is_not_the_one_that_the_clusters_trust() -> None:
    assert given_anew(mesh(), state(mesh_trust_root=OTHER), both()) is not None


def test_a_rotation_under_way_goes_on_with_every_root_that_is_trusted() -> None:
    bundle = f"{PRESENT.pem}{NEW.pem}{NEW.pem}"
    rotating = mesh({"rotation": {"stage": "new-signs"}}, {"rotate": "x"}, {})
    given = given_anew(rotating, state(mesh_trust_root=PRESENT), both(bundle))
    assert given is not None
    assert (given.root, given.generation) == (bundle, 3)
    assert outdated_keys(rotating, given) == [(None, "rotation"), ("cluster1", "rotate")]


def test_a_rotation_that_has_not_begun_in_the_clusters_lost_nothing() -> None:
    rotating = mesh({"rotation": {"stage": "both-trusted"}})
    assert given_anew(rotating, state(mesh_trust_root=PRESENT), both()) is None


def test_of_two_bundles_the_one_that_holds_the_other_is_trusted_everywhere() -> None:
    longer = f"{PRESENT.pem}{NEW.pem}"
    given = given_anew(mesh(), {}, {"cluster1": authority(longer), "cluster2": authority(PRESENT.pem)})
    assert given is not None
    assert given.root == longer


def test_clusters_that_do_not_trust_the_same_are_not_put_together() -> None:
    with pytest.raises(MeshConfigError, match="do not trust the same roots"):
        given_anew(mesh(), {}, {"cluster1": authority(PRESENT.pem), "cluster2": authority(NEW.pem)})


def test_a_cluster_without_a_ca_cannot_go_on_without_the_root() -> None:
    with pytest.raises(MeshConfigError, match=r"clusters\[1\].*cluster2 has no Secret cacerts") as refused:
        given_anew(mesh(), {}, {"cluster1": authority(PRESENT.pem)})
    assert "Take its entry out" in str(refused.value)


def test_of_a_provided_root_only_keys_that_pulumi_made_are_lost() -> None:
    provided = {"root": "provided", "rootCertificate": {"path": "root.pem"}}
    own = {"certificate": {"path": "a.pem"}, "key": {"env": "KEY"}}
    asked = {"certificate": {"path": "b.pem"}, "request": True}
    live = both()
    given = given_anew(mesh(provided, own, asked), {}, live)
    assert given is not None
    assert (given.root, given.authorities) == (None, {"cluster2": live["cluster2"]})
    assert outdated_keys(mesh(provided, own, asked), given) == [("cluster2", "request")]
    assert given_anew(mesh(provided, own, own), {}, live) is None


def test_no_key_is_shown_with_an_authority() -> None:
    assert "PRIVATE" not in repr(authority(PRESENT.pem))
