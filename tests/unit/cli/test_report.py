"""`spanmesh report`: the server of --watch, and how the command is used."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.report import summary
from cli.report_server import HOST, ReportServer
from tests.unit.report.meshes import faulty


@pytest.fixture
def server() -> Iterator[ReportServer]:
    made = ReportServer(0, "<p>first</p>")
    with made.serving():
        yield made


def asked(
    server: ReportServer, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_it_listens_on_loopback_only(server: ReportServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.port}/"


def test_the_page_that_was_shown_last_is_answered(server: ReportServer) -> None:
    assert asked(server)[2] == b"<p>first</p>"
    server.show("<p>second</p>")
    assert asked(server)[2] == b"<p>second</p>"


def test_who_has_the_page_already_is_told_so(server: ReportServer) -> None:
    tag = asked(server)[1]["ETag"]
    status, _, body = asked(server, If_None_Match=tag)
    assert (status, body) == (304, b"")
    server.show("<p>second</p>")
    assert asked(server, If_None_Match=tag)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8090", "127.0.0.1.evil.example", "127.0.0.1:1", ""])
def test_another_host_name_is_refused_so_that_no_page_of_it_can_read_the_report(
    server: ReportServer, host: str
) -> None:
    status, _, body = asked(server, Host=host)
    assert status == 421
    assert b"first" not in body


def test_localhost_with_its_port_is_admitted(server: ReportServer) -> None:
    assert asked(server, Host=f"localhost:{server.port}")[0] == 200


def test_nothing_else_is_there_and_nothing_can_be_sent(server: ReportServer) -> None:
    assert asked(server, "/etc/passwd")[0] == 404
    assert asked(server, "/../cli/report.py")[0] == 404
    assert asked(server, method="POST")[0] == 501
    assert asked(server, method="HEAD")[2] == b""


def test_other_origins_may_neither_frame_nor_embed_it(server: ReportServer) -> None:
    headers = asked(server)[1]
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers


def test_after_the_end_the_port_is_free_and_no_thread_is_left() -> None:
    first = ReportServer(0, "x")
    with first.serving():
        asked(first)
    assert "report-server" not in [thread.name for thread in threading.enumerate()]
    again = ReportServer(first.port, "y")
    again.server_close()


def test_drills_without_requests_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["report", "--disruptive", "--no-traffic", "--cwd", str(tmp_path)])
    assert ran.exit_code == 2
    assert "--disruptive" in ran.output


def test_the_summary_counts_every_state() -> None:
    assert summary(faulty()) == "2 failed, 1 warning, 1 skipped, 8 ok"
