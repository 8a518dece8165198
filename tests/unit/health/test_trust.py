"""What clusters trust, held against what they sign with."""

from dataclasses import replace
from datetime import timedelta

import pytest

from health.check import State
from health.checks.trust import root_of
from health.observed import ProxyTrust, Trust, Unknown
from tests.unit.health.facts import NOW, certificate, cluster, observed, said, states, trust, wrong

ALL = ("trust-chains", "trust-roots", "trust-proxies", "certificates")
ROOT, OTHER = certificate("root", "root", 3000), certificate("other", "other", 3000)


def test_one_root_and_an_intermediate_each_has_nothing_wrong() -> None:
    assert states(observed(), *ALL) == {State.OK}


def test_clusters_under_different_roots_are_named_with_both() -> None:
    other = cluster(2, trust=trust(2, "other"), proxies_trust=(ProxyTrust("gateway.istio-system", (OTHER,)),))
    facts = observed(cluster(1), other)
    assert wrong(facts, *ALL) == [("SM631", "cluster2")]
    message = next(each.message for each in said(facts, "trust-roots") if each.cause)
    assert message == "cluster2 trusts CN=other (other-print); cluster1 trusts CN=root (root-print)"


def test_of_three_clusters_the_one_that_differs_is_named() -> None:
    facts = observed(cluster(1, trust=trust(1, "other"), proxies_trust=(ProxyTrust("g", (OTHER,)),)))
    third = replace(cluster(2), name="cluster3", trust=trust(3))
    facts = replace(facts, clusters={**facts.clusters, "cluster3": third})
    assert wrong(facts, "trust-roots") == [("SM631", "cluster1")]


def test_of_two_clusters_the_one_whose_running_proxies_still_trust_the_others_root_is_named_alone() -> None:
    changed = cluster(1, trust=trust(1, "other"), proxies_trust=(ProxyTrust("gateway.istio-system", (ROOT,)),))
    assert wrong(observed(changed), *ALL) == [("SM631", "cluster1")]


def test_a_root_on_its_way_is_a_warning_while_each_trusts_what_the_others_sign_with() -> None:
    both = replace(trust(2), roots=(ROOT, OTHER))
    assert wrong(observed(cluster(2, trust=both)), *ALL) == [("SM632", "cluster2")]
    signs = replace(trust(2, "other"), roots=(ROOT, OTHER))
    assert wrong(observed(cluster(2, trust=signs)), *ALL) == [("SM631", "cluster2")]


def test_a_root_of_the_same_name_with_another_key_is_another_root() -> None:
    own = certificate("istiod", "root", issuer_key_id="k1")
    assert root_of((own,), (replace(ROOT, key_id="k2"),)) is None
    assert root_of((own,), (replace(ROOT, key_id="k1"),)) == replace(ROOT, key_id="k1")
    assert root_of((own,), (ROOT,)) == ROOT, "without key ids the name has to do"


def test_a_chain_is_followed_over_intermediates_that_it_brings_and_no_others() -> None:
    own, middle, upper = certificate("i", "m"), certificate("m", "u"), certificate("u", "root")
    assert root_of((own, middle, upper), (ROOT,)) == ROOT
    assert root_of((own, middle, upper, ROOT), (ROOT,)) == ROOT
    assert root_of((own, upper), (ROOT,)) is None
    assert root_of((), (ROOT,)) is None
    assert root_of((certificate("a", "b"), certificate("b", "a")), (ROOT,)) is None


def test_an_istiod_that_signs_under_another_root_than_it_gives_out_is_named_first() -> None:
    broken = Trust(trust(2, "other").chain, (ROOT,))
    facts = observed(cluster(2, trust=broken))
    assert wrong(facts, *ALL) == [("SM633", "cluster2")]


def test_namespaces_with_an_old_root_are_named() -> None:
    lagging = replace(trust(1), bundles={"sample": (OTHER,), "empty": (), "same": (ROOT,)})
    facts = observed(cluster(1, trust=lagging))
    assert wrong(facts, "trust-chains") == [("SM634", "cluster1")]
    message = said(facts, "trust-chains")[0].message
    assert message.endswith("differs in empty (none), sample (CN=other (other-print))")


def test_a_running_proxy_with_an_old_root_is_named() -> None:
    proxies = (ProxyTrust("old.sample", (OTHER,)), ProxyTrust("new.sample", (ROOT, OTHER)))
    facts = observed(cluster(2, proxies_trust=proxies))
    assert wrong(facts, *ALL) == [("SM635", "cluster2")]
    assert said(facts, "trust-proxies")[1].message.startswith("proxy old.sample trusts CN=other")


@pytest.mark.parametrize(
    ("days", "code"), [(61, None), (59, "SM636"), (0, "SM637"), (-1, "SM637")], ids=["61", "59", "0", "-1"]
)
def test_the_end_of_an_intermediate_is_told_in_time(days: float, code: str | None) -> None:
    facts = observed(cluster(1, trust=trust(1, days=days)))
    assert wrong(facts, "certificates") == ([(code, "cluster1")] if code else [])


def test_istiods_own_certificate_which_it_renews_itself_is_not_counted() -> None:
    own, intermediate = trust(1).chain
    short = replace(trust(1), chain=(replace(own, not_after=NOW + timedelta(days=1)), intermediate))
    assert wrong(observed(cluster(1, trust=short)), "certificates") == []


def test_a_certificate_from_the_future_is_named() -> None:
    own, intermediate = trust(1).chain
    early = replace(trust(1), chain=(own, replace(intermediate, not_before=NOW + timedelta(hours=1))))
    assert wrong(observed(cluster(1, trust=early)), "certificates") == [("SM637", "cluster1")]


@pytest.mark.parametrize(
    ("begins", "ends", "says"),
    [(24, 48, "not valid before 2026-11-24T03:00:00Z"), (-24, 0, "ended at 2026-11-23T03:00:00Z"), (-1, 23, "")],
    ids=["of tomorrow", "of yesterday", "of today"],
)
def test_proxies_whose_certificates_are_of_another_time_are_named(begins: int, ends: int, says: str) -> None:
    begin, end = (NOW + timedelta(hours=hours) for hours in (begins, ends))
    own = replace(certificate("", "ca1"), not_before=begin, not_after=end)
    proxies = (ProxyTrust("a.sample", (ROOT,), (own,)), ProxyTrust("b.sample", (ROOT,), (certificate("", "ca1"),)))
    facts = observed(cluster(1, proxies_trust=proxies))
    assert wrong(facts, *ALL, "proxy-certificates") == ([("SM639", "cluster1")] if says else [])
    assert said(facts, "proxy-certificates")[0].message == (f"a.sample ({says})" if says else "2 proxies looked at")


def test_one_intermediate_in_two_clusters_is_named() -> None:
    assert wrong(observed(cluster(2, trust=trust(1))), "trust-roots") == [("SM638", "cluster2 -> cluster1")]


def test_an_istiod_without_intermediate_is_not_said_to_share_the_root() -> None:
    def plain(number: int) -> Trust:
        return Trust((certificate(f"istiod{number}", "root"), ROOT), (ROOT,))

    assert wrong(observed(cluster(1, trust=plain(1)), cluster(2, trust=plain(2))), *ALL) == []


def test_what_could_not_be_seen_is_skipped_with_the_reason() -> None:
    facts = observed(cluster(1, trust=Unknown("forbidden")), cluster(2, proxies_trust=Unknown("no right")))
    reasons = {(each.where, each.message) for each in said(facts, *ALL) if each.state is State.SKIPPED}
    assert reasons == {("cluster1", "forbidden"), ("cluster2", "no right")}
