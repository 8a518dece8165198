"""Which hop a request took, read from the access log of the client's proxy."""

from live.load.traffic import LOGGED

# Written by a sidecar of Istio 1.32-dev on Envoy 1.40 in the lab.
LOG = """\
2026-11-22T16:53:46.732013Z\tinfo\tFLAG: --concurrency="0"
[2026-11-22T16:53:59.123Z] "GET /hello?probe=22547dc91d7e-11 HTTP/1.1" 200 - via_upstream - "-" 0 79 2 2 "-" \
"curl/7.88.1" "c24ee2d5-ecc9-4da6-a9b6-ac03a902454a" "helloworld.sample:5000" "198.51.100.80:15443" \
outbound|5000||helloworld.sample.svc.cluster.local 10.244.0.9:50304 10.96.215.202:5000 10.244.0.9:56994 - default
[2026-11-22T16:53:59.140Z] "GET /hello?probe=22547dc91d7e-12 HTTP/1.1" 200 - via_upstream - "-" 0 78 4 4 "-" \
"curl/7.88.1" "4e5d3b6f-0c50-4d4e-9d0b-3c5a5bd2ad37" "helloworld.sample:5000" "10.244.0.8:5000" \
outbound|5000||helloworld.sample.svc.cluster.local 10.244.0.9:58982 10.96.215.202:5000 10.244.0.9:57002 - default
[2026-11-22T16:54:01.140Z] "GET /hello?probe=22547dc91d7e-13 HTTP/1.1" 503 UH no_healthy_upstream - "-" 0 19 0 - "-" \
"curl/7.88.1" "1f5d3b6f-0c50-4d4e-9d0b-3c5a5bd2ad37" "helloworld.sample:5000" "-" \
outbound|5000||helloworld.sample.svc.cluster.local - 10.96.215.202:5000 10.244.0.9:57003 - default
[2026-11-22T16:54:02.140Z] "GET /other HTTP/1.1" 200 - via_upstream - "-" 0 78 4 4 "-" \
"curl/7.88.1" "2f5d3b6f-0c50-4d4e-9d0b-3c5a5bd2ad37" "other.sample:80" "10.244.0.7:80" outbound|80||other.sample -
"""


def test_each_probe_is_found_with_the_address_it_was_sent_to() -> None:
    assert {m["probe"]: m["host"] for m in LOGGED.finditer(LOG)} == {
        "22547dc91d7e-11": "198.51.100.80:15443",
        "22547dc91d7e-12": "10.244.0.8:5000",
        "22547dc91d7e-13": "-",
    }
