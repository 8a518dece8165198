"""Started by the router's supervisord: `python -m lab.load_balancer SETTINGS.json`."""

import json
import logging
import sys
from ipaddress import IPv4Address
from pathlib import Path

from kubernetes import config

from lab.load_balancer.cloud import CloudFile
from lab.load_balancer.controller import Controller


def main() -> None:
    """Serve the region that the settings name, until ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    settings = json.loads(Path(sys.argv[1]).read_text())
    api = config.new_client_from_config(settings["kubeconfig"])
    pool = [IPv4Address(each) for each in settings["pool"]]
    cloud = CloudFile(Path(settings["cloud"]))
    Controller(api, pool, IPv4Address(settings["router"]), settings["region"], cloud).run()


if __name__ == "__main__":
    main()
