"""Picture and plots: what stands where follows from the facts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from health.check import State, found
from health.drill import Drill, Sample
from health.observed import Trust, Unknown
from report.failover import failover_plot
from report.lifetimes import span, timeline
from report.picture import picture
from report.remotes import remotes_of
from report.scale import milliseconds_axis, seconds_ticks
from report.traffic import latency_plot
from tests.unit.report.meshes import (
    AT,
    NO_ANSWER,
    SECRETS,
    certificate,
    failover,
    faulty,
    healthy,
    traffic,
    twelve,
)
from tests.unit.report.meshes import mesh_of as linked


def test_few_links_are_arrows_with_their_share_of_the_traffic() -> None:
    drawn = picture(healthy())
    shares = [float(arrow.label.text.split("%")[0]) for arrow in drawn.arrows if arrow.label]
    assert len(drawn.arrows) == 2
    assert {arrow.state for arrow in drawn.arrows} == {State.OK}
    assert all(20 < share < 80 for share in shares)
    assert len(shares) == 2


def test_a_link_with_a_finding_is_labelled_by_its_code() -> None:
    labels = [arrow.label.text for arrow in picture(faulty()).arrows if arrow.label]
    assert [label.split(" · ")[1] for label in labels] == ["SM691", "SM695"]


def test_many_links_are_a_band_and_arrows_for_what_is_wrong() -> None:
    drawn = picture(twelve())
    assert drawn.band
    crossing = [arrow for arrow in drawn.arrows if arrow.head]
    assert sorted(arrow.title.split(":")[0] for arrow in crossing) == ["cluster10 to cluster2", "cluster3 to cluster9"]
    labels = {each.card.cluster.name: [label.text for label in each.labels] for each in drawn.clusters}
    assert "11 in: failed" in labels["cluster7"]


def test_what_is_not_known_of_a_cluster_is_not_drawn_as_ok() -> None:
    drawn = {each.card.cluster.name: each for each in picture(twelve()).clusters}
    assert drawn["cluster7"].state is State.FAILED
    assert "API server does not answer" in drawn["cluster7"].lines
    assert drawn["cluster4"].gateway == ("gateway", "not known")
    assert drawn["cluster4"].gateway_state is State.SKIPPED


def test_without_results_nothing_is_drawn_as_ok() -> None:
    drawn = picture(replace(healthy(), results=[]))
    assert {each.state for each in drawn.clusters} == {None}
    assert {arrow.state for arrow in drawn.arrows} == {None}


def test_clusters_of_one_network_are_joined_beside_it() -> None:
    mesh = linked(3, networks=1)
    contents = healthy()
    flat = replace(contents, observed=replace(contents.observed, mesh=mesh, matrix=traffic(mesh)))
    flat = replace(flat, results=[found(SECRETS, NO_ANSWER, "x", "cluster1", "cluster2")])
    drawn = picture(flat)
    assert [(arrow.state, arrow.head) for arrow in drawn.arrows] == [(State.FAILED, "")]


@pytest.mark.parametrize("count", [2, 3, 12, 50])
def test_everything_that_is_drawn_is_within_the_picture(count: int) -> None:
    drawn = picture(healthy(count))
    for each in drawn.clusters:
        assert drawn.x <= each.card.x
        assert each.card.x + each.card.width <= drawn.x + drawn.width
        assert drawn.y <= each.card.y
        assert each.card.y + each.card.height <= drawn.y + drawn.height


def test_the_latency_plot_keeps_order_and_says_what_it_left_out() -> None:
    few = latency_plot(traffic(linked(2)))
    many = latency_plot(traffic(linked(12), sent=240))
    assert few
    assert many
    assert few.left_out == 0
    for row in few.rows:
        assert list(row.dots) == sorted(row.dots)
        assert row.dots[0] <= row.p50_x <= row.p99_x <= row.dots[-1]
    slowest = [row.p99 for row in many.rows]
    assert slowest == sorted(slowest, reverse=True)
    assert len(many.rows) + many.left_out == 144
    assert latency_plot({}) is None


def test_axes_have_the_values_within_them() -> None:
    scale, ticks = milliseconds_axis([0.7, 130], 0, 100)
    assert [tick.label for tick in ticks] == ["0.5", "1", "2", "5", "10", "20", "50", "100", "200"]
    assert 0 < scale.x(0.7) < scale.x(130) < 100
    same, ticks = milliseconds_axis([5.0], 0, 100)
    assert same.low <= 5 < same.high
    assert [tick.label for tick in seconds_ticks(12, 0, 120)] == ["0", "2", "4", "6", "8", "10", "12"]
    assert 2 <= len(seconds_ticks(0.1, 0, 120)) <= 11


def test_a_drill_shows_who_answered_when_and_how_long_nobody_did() -> None:
    plot = failover_plot(failover())
    assert plot
    assert [(lane.cluster, lane.count) for lane in plot.lanes] == [("cluster1", 116), ("cluster2", 116), ("", 8)]
    assert plot.silence == pytest.approx(0.45)
    assert plot.marks[0].x < plot.marks[1].x
    assert failover_plot(Drill("failover", "x", "cluster1")) is None


def test_a_drill_without_any_answer_is_drawn_too() -> None:
    plot = failover_plot(Drill("failover", "x", "cluster1", samples=(Sample(0, "", 1, "503"),)))
    assert plot
    assert [(lane.cluster, lane.count) for lane in plot.lanes] == [("", 1)]


def test_lifetimes_name_roots_intermediates_istiods_and_tokens() -> None:
    lives = timeline(healthy().observed)
    assert [row.kind for row in lives.rows] == ["root", *["intermediate"] * 2, *["istiod"] * 2, *["token"] * 2]
    assert lives.rows[0].clusters == ("cluster1", "cluster2")
    assert lives.rows[-1].words == "no end"
    assert lives.rows[-1].begins == AT - timedelta(days=40)
    ends = [row.x for row in lives.rows]
    assert ends[0] > ends[1] > ends[3]


@pytest.mark.parametrize(
    ("left_days", "state", "words"),
    [(400, State.OK, "400 days"), (12, State.WARNING, "12 days"), (-3, State.FAILED, "ended 3 days ago")],
)
def test_a_root_that_ends_soon_is_a_warning_and_one_that_ended_failed(
    left_days: float, state: State, words: str
) -> None:
    observed = healthy().observed
    root = certificate("CN=Old", "CN=Old", 10, left_days)
    clusters = {name: replace(each, trust=Trust((), (root,))) for name, each in observed.clusters.items()}
    row = timeline(replace(observed, clusters=clusters)).rows[0]
    assert (row.state, row.words) == (state, words)


def test_what_could_not_be_read_is_listed_with_its_reason() -> None:
    observed = healthy().observed
    clusters = {**observed.clusters, "cluster2": replace(observed.clusters["cluster2"], trust=Unknown("forbidden"))}
    assert timeline(replace(observed, clusters=clusters)).unknown == (("cluster2", "forbidden"),)


def test_lengths_of_time_are_told_in_their_unit() -> None:
    assert span(timedelta(days=2)) == "2 days"
    assert span(timedelta(hours=47)) == "47 hours"
    assert span(timedelta(minutes=90)) == "90 minutes"


def test_remote_clusters_are_counted_as_declared_configured_and_connected() -> None:
    observed = healthy(3).observed
    first = observed.clusters["cluster1"]
    assert remotes_of(observed, "cluster1").words == "2/2 configured, 2/2 connected"
    assert not isinstance(first.remote, Unknown)
    less = {**observed.clusters, "cluster1": replace(first, remote=first.remote[:1])}
    assert remotes_of(replace(observed, clusters=less), "cluster1").words == "1/2 configured, 2/2 connected"
    none = {**observed.clusters, "cluster1": replace(first, remote=Unknown("forbidden"))}
    assert remotes_of(replace(observed, clusters=none), "cluster1").words == "2 declared; not known: forbidden"
