"""Presets of clouds: what the load balancer of an east-west gateway needs, and what it cannot do, as data.

A file a cloud (``huawei-cce.yaml``), read as package data; nothing here knows any cloud by name.
"""

from topology.clouds.apply import address_kind, cloud_problems, restricted, with_cloud
from topology.clouds.preset import Cloud, CloudError, cloud, cloud_names, unknown_cloud

__all__ = [
    "Cloud",
    "CloudError",
    "address_kind",
    "cloud",
    "cloud_names",
    "cloud_problems",
    "restricted",
    "unknown_cloud",
    "with_cloud",
]
