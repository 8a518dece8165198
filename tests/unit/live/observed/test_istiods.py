"""What istiods of both supported ages say."""

import pytest

from live.observed.istiods import istio_version, proxy_sync, sums

CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"


@pytest.mark.parametrize(
    ("said", "version"),
    [("1.22.3-1e0dc8dd8809-Clean\n", "1.22.3"), ("1.32-dev-unknown-unknown", "1.32-dev"), ("1.30.5", "1.30.5")],
)
def test_the_version_is_without_revision_and_state_of_the_build(said: str, version: str) -> None:
    assert istio_version(said) == version


def test_a_proxy_of_istio_1_22_is_synced_stale_or_was_not_sent_to() -> None:
    said = {
        "proxy": "sleep.sample",
        "cluster_id": "cluster1",
        "istio_version": "1.22.3",
        "cluster_sent": "a",
        "cluster_acked": "a",
        "listener_sent": "b",
        "listener_acked": "a",
        "endpoint_sent": "c",
    }
    seen = proxy_sync(said)
    assert (seen.proxy, seen.cluster, seen.type, seen.version) == ("sleep.sample", "cluster1", "", "1.22.3")
    assert seen.states == {"CDS": "SYNCED", "LDS": "STALE", "EDS": "STALE", "RDS": "NOT SENT"}
    assert seen.errors == {}


def test_what_a_proxy_rejected_is_said_by_newer_istiods_with_envoys_words() -> None:
    resources = {CDS: {"sent": "b", "acked": "a", "lastError": "Error adding cluster"}}
    seen = proxy_sync({"proxy": "a.b", "cluster_sent": "b", "cluster_acked": "a", "resources": resources})
    assert seen.states["CDS"] == "REJECTED"
    assert seen.errors == {"CDS": "Error adding cluster"}


def test_metrics_are_summed_over_their_labels() -> None:
    text = """# HELP pilot_xds_pushes Pilot build and send errors
# TYPE pilot_xds_pushes counter
pilot_xds_pushes{type="cds"} 3
pilot_xds_pushes{type="a {curly} one"} 4.5e+00
pilot_xds_push_time_bucket{type="cds",le="0.01"} 9
go_goroutines 900
pilot_no_ip 0
"""
    assert sums(text) == {"pilot_xds_pushes": 7.5, "pilot_no_ip": 0}
