"""The server's side: mutual TLS, certificates, authorization, and the policy that applies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from envoy.cluster import UpstreamTls
from envoy.config_dump import Certificates
from envoy.endpoint import Endpoint
from envoy.listener import Authorization, FilterChain
from health.check import State
from health.walk import server
from health.walk.facts import Proxy, Unread
from health.walk.step import Step
from tests.unit.envoy.recordings import config
from tests.unit.health.walk.sites import SERVER, THERE, TLS, policy
from tests.unit.health.walk.sites import server as server_proxy

ENDPOINT = Endpoint("10.244.0.4", 5000)
# Within the time of the recorded certificates.
THEN = datetime(2026, 11, 23, 3, tzinfo=UTC)


def taking(*chains: FilterChain) -> Proxy:
    """The server with these filter chains alone."""
    proxy = server_proxy()
    inbound = replace(proxy.config.listeners["virtualInbound"], chains=chains)
    return replace(proxy, config=replace(proxy.config, listeners={"virtualInbound": inbound}))


def recorded() -> tuple[FilterChain, FilterChain]:
    """Its chains for port 5000: mutual TLS, and plain text."""
    mutual, plain = server.chains_of(server_proxy(), 5000)
    return mutual, plain


def of(proxy: Proxy, tls: UpstreamTls | None) -> str | None:
    step = server.server(ENDPOINT, SERVER, proxy, THERE, tls)
    return step.cause.code if step.cause else None


def test_the_mode_is_told_by_the_chains() -> None:
    mutual, plain = recorded()
    assert [server.mode(chains) for chains in ((mutual, plain), (mutual,), (plain,))] == [
        "PERMISSIVE",
        "STRICT",
        "DISABLE",
    ]


def test_plain_text_meets_strict_and_mutual_tls_meets_disable() -> None:
    mutual, plain = recorded()
    assert of(taking(mutual, plain), None) is None
    assert of(taking(mutual), TLS) is None
    assert of(taking(mutual), None) == "SM720"
    assert of(taking(plain), TLS) == "SM720"


def test_the_peer_authentication_that_demands_it_is_named() -> None:
    mutual, _ = recorded()
    strict = policy("PeerAuthentication", "strict", mtls={"mode": "STRICT"})
    step = server.server(ENDPOINT, SERVER, taking(mutual), replace(THERE, policies=(strict,)), None)
    assert step.declared == ("PeerAuthentication sample/strict (policies/hello.yaml)",)


def test_a_port_without_chains_of_its_own_is_taken_by_those_for_any_port() -> None:
    assert server.mode(server.chains_of(server_proxy(), 9999)) == "PERMISSIVE"


def test_a_server_without_sidecar_takes_plain_text_only() -> None:
    bare = replace(SERVER, sidecar=False)
    assert server.server(ENDPOINT, bare, None, THERE, None).cause is None
    step = server.server(ENDPOINT, bare, None, THERE, TLS)
    assert step.cause is not None
    assert step.cause.code == "SM720"


def test_a_pod_that_is_gone_is_no_server_and_a_mute_proxy_leaves_it_untold() -> None:
    gone = server.server(ENDPOINT, None, None, THERE, TLS)
    assert gone.cause is not None
    assert gone.cause.code == "SM716"
    assert server.server(ENDPOINT, SERVER, Unread("forbidden"), THERE, TLS).state is State.SKIPPED


def certified(
    client: Certificates | None = None, shown: Certificates | None = None, now: datetime = THEN, *names: str
) -> Step:
    sans = tuple(("exact", name) for name in names)
    tls = replace(TLS, sans=sans)
    mine, theirs = config("client").certificates, config("server").certificates
    return server.certificates(tls, client or mine, shown or theirs, "cluster2", now)


def test_two_clusters_of_one_root_take_each_others_certificates() -> None:
    assert certified(None, None, THEN, "spiffe://cluster.local/ns/sample/sa/default").cause is None


def test_another_name_than_the_expected_one_is_not_taken() -> None:
    step = certified(None, None, THEN, "spiffe://cluster.local/ns/sample/sa/other")
    assert step.cause is not None
    assert step.cause.code == "SM722"
    assert "the server is spiffe://cluster.local/ns/sample/sa/default" in step.message


@pytest.mark.parametrize("days", [-1, 2])
def test_a_certificate_out_of_its_time_is_not_taken(days: int) -> None:
    step = certified(now=THEN + timedelta(days=days))
    assert step.cause is not None
    assert "is valid from" in step.message


def test_a_root_that_signed_neither_is_not_taken_for_one() -> None:
    mine, theirs = config("client").certificates, config("server").certificates
    # The client trusts its own leaf alone: it signed nothing.
    step = certified(replace(mine, roots=mine.chain[:1]))
    assert step.cause is not None
    assert "the server's certificate leads to no root that the client trusts" in step.message
    step = certified(shown=replace(theirs, roots=theirs.chain[:1]))
    assert "the client's certificate leads to no root that the server trusts" in step.message


def test_without_secrets_nothing_is_said_of_certificates() -> None:
    assert certified(client=None, shown=Certificates()).state is State.SKIPPED


def test_an_authorization_that_refuses_everybody_is_broken_and_others_wait_for_the_request() -> None:
    mutual, _ = recorded()
    everybody = Authorization("ALLOW", ("ns[sample]-policy[deny-all]-rule[0]",), refuses_all=True)
    some = Authorization("ALLOW", ("ns[sample]-policy[some]-rule[0]",))
    refused = server.authorization(SERVER, taking(replace(mutual, authorizations=(everybody,))), 5000, THERE)
    judged = server.authorization(SERVER, taking(replace(mutual, authorizations=(some,))), 5000, THERE)
    assert refused is not None
    assert refused.cause is not None
    assert refused.cause.code == "SM723"
    assert judged is not None
    assert (judged.state, judged.details) == (State.OK, ("ALLOW ns[sample]-policy[some]-rule[0]",))
    assert server.authorization(SERVER, taking(mutual), 5000, THERE) is None


def test_the_policy_that_applies_is_named_with_its_file_and_what_cannot_be_read_is_not_none() -> None:
    mine = policy("AuthorizationPolicy", "mine", selector={"matchLabels": {"app": "helloworld"}})
    others = policy("AuthorizationPolicy", "others", selector={"matchLabels": {"app": "web"}})
    by_hand = policy("PeerAuthentication", "default", file="", namespace="istio-system")
    step = server.policies(replace(THERE, policies=(mine, others, by_hand)), SERVER, "server")
    assert step.declared == (
        "PeerAuthentication istio-system/default (of no policy file of this stack)",
        "AuthorizationPolicy sample/mine (policies/hello.yaml)",
    )
    assert server.policies(replace(THERE, policies=Unread("forbidden")), SERVER, "server").state is State.SKIPPED
