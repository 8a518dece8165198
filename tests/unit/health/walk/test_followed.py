"""What the three access logs say of one request, and which of Envoy's reasons is which cause."""

from dataclasses import replace
from datetime import timedelta

import pytest

from envoy.access_log import LogLine, read_line
from health.walk.followed import Answer, answered, by_connection, by_name, by_request, passed, sent
from health.walk.step import Step
from tests.unit.envoy.test_access_log import CLIENT, GATEWAY, RESET, UNKNOWN

ADDRESSES = ["198.51.100.80"]
UF = {"response_flags": "UF,URX", "response_code": 503, "response_code_details": "upstream_reset_before_response"}
SNI = "outbound_.5000_._.helloworld.sample.svc.cluster.local"


def line(text: str) -> LogLine:
    read = read_line(text)
    assert read is not None
    return read


def code(step: Step) -> str | None:
    return step.cause.code if step.cause else None


def test_the_last_try_of_a_request_counts() -> None:
    first = line(CLIENT)
    again = replace(first, duration=3)
    assert by_request([first, again, line(GATEWAY)], first.request_id) == again
    assert by_request([first], "another") is None


def test_the_gateways_line_is_found_by_the_connection_that_the_server_saw() -> None:
    lines = [replace(line(GATEWAY), upstream_local_address="10.244.0.6:1"), line(GATEWAY)]
    assert by_connection(lines, "10.244.0.6:46376") == lines[1]
    assert by_connection(lines, "") is None


def test_without_a_server_it_is_found_by_name_and_nearest_in_time() -> None:
    request, gateway = line(CLIENT), line(GATEWAY)
    later = replace(gateway, time=gateway.time + timedelta(seconds=2), duration=77)
    old = replace(gateway, time=gateway.time - timedelta(minutes=1))
    ended = request.time + timedelta(milliseconds=request.duration)
    assert by_name([old, later, gateway], SNI, request.time, ended) == gateway
    assert by_name([old], SNI, request.time, ended) is None
    assert by_name([gateway], "outbound_.80_._.other", request.time, ended) is None


def test_a_request_that_went_well_says_to_whom() -> None:
    step = sent(Answer(200, "Hello", "curl"), line(CLIENT), "cluster1", ADDRESSES)
    assert code(step) is None
    assert "to gateway 198.51.100.80:15443 from 10.244.0.5:55854" in step.message


def test_a_reset_by_a_gateway_is_a_server_name_that_it_does_not_know() -> None:
    assert code(sent(Answer(503, "", "curl"), line(RESET), "cluster1", ADDRESSES)) == "SM719"
    step = passed(line(UNKNOWN), "cluster2", "SNI and time")
    assert (code(step), "filter_chain_not_found" in step.message) == ("SM719", True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"response_flags": "NR"}, "SM713"),
        ({"response_flags": "NC"}, "SM715"),
        ({"response_flags": "UH"}, "SM716"),
        ({"response_flags": "FI"}, "SM726"),
        # Envoy of Istio 1.22.3 tries a 503 of the server again.
        ({"response_flags": "URX", "response_code": 503}, None),
        (UF | {"upstream_transport_failure_reason": "delayed_connect_error:_113"}, "SM724"),
        (
            UF
            | {
                "upstream_transport_failure_reason": "TLS_error:|268435581:SSL_routines:CERTIFICATE_VERIFY_FAILED",
            },
            "SM722",
        ),
        (UF | {"upstream_transport_failure_reason": "TLS_error:|1:SSL:WRONG_VERSION_NUMBER"}, "SM720"),
        ({"response_code": 503, "response_code_details": "overload"}, "SM727"),
        ({"response_code": 500, "response_code_details": "via_upstream"}, None),
        ({"response_code": 404, "response_code_details": "via_upstream"}, None),
    ],
)
def test_each_of_envoys_reasons_is_a_cause(changes: dict[str, object], expected: str | None) -> None:
    changed = replace(line(CLIENT), **changes)  # type: ignore[arg-type]
    assert code(sent(Answer(503, "", "curl"), changed, "cluster1", ADDRESSES)) == expected


def test_a_refusal_by_policy_is_told_from_an_answer_of_the_application() -> None:
    refused = replace(
        line(CLIENT),
        response_code=403,
        response_code_details="rbac_access_denied_matched_policy[ns[sample]-policy[p]-rule[0]]",
    )
    own = replace(line(CLIENT), response_code=503)
    deaf = replace(line(CLIENT), response_code=503, response_flags="UF")
    assert code(answered(refused, "cluster2", "p")) == "SM723"
    assert code(answered(own, "cluster2", "p")) is None
    assert "the application's own" in answered(own, "cluster2", "p").message
    assert code(answered(deaf, "cluster2", "p")) == "SM725"
