"""What proxies of the lab answered: cut down to helloworld, certificates kept, keys never there."""

import json
from pathlib import Path
from typing import Any

from envoy.config_dump import ConfigDump, read_config_dump

FOLDER = Path(__file__).parent / "recorded"
HOST = "helloworld.sample.svc.cluster.local"
CLUSTER = f"outbound|5000||{HOST}"
SNI = f"outbound_.5000_._.{HOST}"


def document(name: str) -> Any:
    """The answer as JSON: of ``client``, ``gateway`` or ``server``, and ``client-clusters``."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def config(name: str) -> ConfigDump:
    """The same, read."""
    return read_config_dump(document(name))
