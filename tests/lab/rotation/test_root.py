"""`spanmesh rotate root` on a mesh that carries traffic all the while."""

import json
import signal

import pytest
from kubernetes import client

from live.client import api_client
from live.observed.certificates import certificates
from tests.lab.rotation.command import rotate
from tests.lab.rotation.conftest import REQUESTS, Rotated
from topology.certificates import describe

pytestmark = pytest.mark.lab


def new_root(rotated: Rotated) -> str:
    """Fingerprint of the root that the stack has now."""
    return str(rotated.stack.pulumi.outputs()["root"]["sha256"])


def test_no_request_fails_and_no_pod_ends_while_the_root_is_replaced(rotated: Rotated) -> None:
    load = rotated.load
    assert load is not None
    print({name: f"{each.sent} requests" for name, each in load.clients.items()}, load.verified)  # noqa: T201
    assert load.failures == []
    assert load.failed == 0
    assert load.ended == []
    for each in load.clients.values():
        assert each.sent >= REQUESTS
        assert set(each.answers) == {"cluster1", "cluster2"}
    assert load.verified > 100, "proxies met each other anew all the while, and showed certificates"


def test_every_stage_was_killed_and_the_next_run_went_on(rotated: Rotated) -> None:
    assert {stage: ended.code for stage, ended in rotated.killed.items()} == dict.fromkeys(
        ("both-trusted", "new-signs", "new-only", "finished"), -signal.SIGKILL
    )
    assert "Stage both-trusted: it was begun before" in rotated.killed["new-signs"].said
    assert rotated.resumed is not None
    assert rotated.resumed.code == 0, rotated.resumed.said
    assert rotated.resumed.result["finished"]
    assert rotated.declared() == {"protect": False, "generation": 2}, "and nothing of the rotation"


def test_the_former_root_is_gone_from_proxies_config_maps_and_the_state(rotated: Rotated) -> None:
    new = new_root(rotated)
    assert new != rotated.present
    assert rotated.moment is not None
    assert rotated.moment.trusted == {frozenset({new})}
    assert rotated.moment.signs == {new}
    for access in rotated.stack.accesses.values():
        with api_client(access) as api:
            given = client.CoreV1Api(api).list_config_map_for_all_namespaces(
                field_selector="metadata.name=istio-ca-root-cert"
            )
        roots = {tuple(each.fingerprint for each in certificates(item.data["root-cert.pem"])) for item in given.items}
        assert roots == {(new,)}
    resources = json.loads(rotated.stack.attempt("stack", "export").stdout)["deployment"]["resources"]
    certificate_texts = [each["outputs"]["certPem"] for each in resources if each["type"].endswith(":SelfSignedCert")]
    assert [describe(text).sha256 for text in certificate_texts] == [new]


@pytest.mark.parametrize(
    ("stage", "before", "roots"),
    [("both-trusted", None, 1), ("new-signs", "both-trusted", 2), ("new-only", "new-signs", 2)],
)
def test_every_stage_is_rolled_back_to_the_one_before_and_all_proxies_hold_that(
    rotated: Rotated, stage: str, before: str | None, roots: int
) -> None:
    ended, moment = rotated.rolled_back[stage]
    assert ended.code == 0, ended.said
    assert moment.stage == before
    [trusted] = moment.trusted
    assert len(trusted) == roots
    assert rotated.present in trusted
    assert (moment.signs == {rotated.present}) == (stage != "new-only")


def test_with_an_api_server_away_it_names_the_cluster_and_touches_nothing(rotated: Rotated) -> None:
    assert rotated.refused is not None
    assert rotated.refused.code == 1
    [lacking] = rotated.refused.result["lacking"]
    # Behind a load balancer or a tunnel the connection comes about, and ends.
    assert lacking.startswith(("cluster2: its API server https://", "cluster2: no API server answers behind https://"))
    assert "Nothing was touched" in rotated.refused.said
    assert rotated.untouched


def test_what_is_over_is_neither_rolled_back_nor_begun_again_by_a_repeated_command(rotated: Rotated) -> None:
    back = rotate(rotated.stack, "root", "--rollback")
    assert back.code == 1
    assert "key of the former root is deleted" in back.said
    new = new_root(rotated)
    again = rotate(rotated.stack, "root")
    assert (again.code, again.result["stage"]) == (0, "old"), again.said
    assert "another one: --again" in again.said
    assert new_root(rotated) == new
