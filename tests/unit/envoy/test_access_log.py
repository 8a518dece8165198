"""Lines of Istio's access log, as proxies of the lab wrote them."""

from datetime import UTC, datetime

from envoy.access_log import read_line, read_log

CLIENT = (
    '[2026-11-23T02:58:06.315Z] "GET /hello HTTP/1.1" 200 - via_upstream - "-" 0 79 9 8 "-" "curl/7.88.1" '
    '"aaaaaaaa-0000-4000-8000-000000000001" "helloworld:5000" "198.51.100.80:15443" '
    "outbound|5000||helloworld.sample.svc.cluster.local 10.244.0.5:55854 10.96.82.203:5000 10.244.0.5:54132 - default"
)
GATEWAY = (
    '[2026-11-23T02:58:06.316Z] "- - -" 0 - - - "-" 4104 8288 10 - "-" "-" "-" "-" "10.244.0.4:5000" '
    "outbound_.5000_._.helloworld.sample.svc.cluster.local 10.244.0.6:46376 10.244.0.6:15443 10.244.0.1:31553 "
    "outbound_.5000_._.helloworld.sample.svc.cluster.local -"
)
UNKNOWN = (
    '[2026-11-23T03:22:48.120Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - '
    "10.244.0.6:15443 10.244.0.1:6011 outbound_.80_.v2_.half.walked.svc.cluster.local -"
)
RESET = (
    '[2026-11-23T03:22:48.118Z] "GET / HTTP/1.1" 503 UF,URX '
    "upstream_reset_before_response_started{remote_connection_failure|TLS_error:|33554536:system_library:"
    'OPENSSL_internal:Connection_reset_by_peer:TLS_error_end} - "TLS_error:|33554536:system_library:OPENSSL_internal:'
    'Connection_reset_by_peer:TLS_error_end" 0 226 60 - "-" "curl/7.88.1" "c3" "half.walked:80" "198.51.100.80:15443" '
    "outbound|80|v2|half.walked.svc.cluster.local - 10.96.1.2:80 10.244.0.5:40000 - -"
)


def test_a_line_of_http_has_both_ends_of_both_connections() -> None:
    line = read_line(CLIENT)
    assert line is not None
    assert (line.method, line.path, line.response_code, line.duration) == ("GET", "/hello", 200, 9)
    assert line.time == datetime(2026, 11, 23, 2, 58, 6, 315000, UTC)
    assert line.request_id == "aaaaaaaa-0000-4000-8000-000000000001"
    assert (line.upstream_host, line.upstream_local_address) == ("198.51.100.80:15443", "10.244.0.5:55854")
    assert (line.response_flags, line.requested_server_name, line.route_name) == ("", "", "default")


def test_a_line_of_a_connection_has_its_server_name_and_no_request() -> None:
    line = read_line(GATEWAY)
    assert line is not None
    assert (line.method, line.response_code, line.request_id) == ("", 0, "")
    assert line.requested_server_name == "outbound_.5000_._.helloworld.sample.svc.cluster.local"
    assert (line.upstream_local_address, line.downstream_remote_address) == ("10.244.0.6:46376", "10.244.0.1:31553")


def test_failures_have_envoys_flags_and_reason() -> None:
    unknown, reset = read_line(UNKNOWN), read_line(RESET)
    assert unknown is not None
    assert reset is not None
    assert (unknown.response_flags, unknown.response_code_details) == ("NR", "filter_chain_not_found")
    assert reset.response_flags == "UF,URX"
    assert "Connection_reset_by_peer" in reset.upstream_transport_failure_reason
    assert reset.upstream_host == "198.51.100.80:15443"


def test_json_says_the_same_as_text() -> None:
    written = (
        '{"start_time":"2026-11-23T02:58:06.315Z","method":"GET","path":"/hello","protocol":"HTTP/1.1",'
        '"response_code":200,"response_flags":"-","response_code_details":"via_upstream","duration":9,'
        '"connection_termination_details":null,"upstream_transport_failure_reason":null,"bytes_received":0,'
        '"bytes_sent":79,"upstream_service_time":"8","x_forwarded_for":null,"user_agent":"curl/7.88.1",'
        '"request_id":"aaaaaaaa-0000-4000-8000-000000000001","authority":"helloworld:5000",'
        '"upstream_host":"198.51.100.80:15443","upstream_cluster":"outbound|5000||helloworld.sample.svc.cluster.local",'
        '"upstream_local_address":"10.244.0.5:55854","downstream_local_address":"10.96.82.203:5000",'
        '"downstream_remote_address":"10.244.0.5:54132","requested_server_name":null,"route_name":"default"}'
    )
    assert read_line(written) == read_line(CLIENT)


def test_what_a_proxy_writes_besides_is_left_out() -> None:
    log = f"2026-11-23T02:48:00.594013Z\tinfo\tEnvoy proxy is ready\n{CLIENT}\n{{}}\n[not a time] x\n{GATEWAY}\n"
    assert [line.duration for line in read_log(log)] == [9, 10]
