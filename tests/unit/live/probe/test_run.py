"""The probe as a whole, where a cluster does not take part."""

import socket

from live.probe import Probe
from tests.unit.live.policy.api_server import cluster
from topology import load_mesh

MESH = load_mesh({"clusters": [{"name": "cluster1", "network": "network1", "apiServer": "https://198.51.100.11:6443"}]})


def test_where_nothing_could_be_made_there_is_nothing_to_remove() -> None:
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        access = cluster("cluster1", f"http://127.0.0.1:{refusing.getsockname()[1]}")
        with Probe(MESH, {"cluster1": access}) as probe:
            assert probe.sites == {}
            assert "does not answer" in probe.absent["cluster1"]
