"""What Helm says that it installed, by its own record in the cluster."""

import base64
import binascii
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import Any

import yaml

from policy.document import JsonLoader

CRD_FOLDER = "crds/"
_READING = Lock()


@dataclass(frozen=True)
class HelmRelease:
    """A deployed revision of a release.

    Attributes:
        name: name of the release.
        namespace: its namespace, where objects go that name none.
        revision: number of the revision.
        objects: what it made, as rendered.
        crds: what stood in the chart's folder crds/: Helm makes these at the first install and never changes them
            (https://helm.sh/docs/chart_best_practices/custom_resource_definitions/).
        values: the values that it was installed with, besides the chart's own.
    """

    name: str
    namespace: str
    revision: int
    objects: tuple[Mapping[str, Any], ...]
    crds: tuple[Mapping[str, Any], ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


class UnreadableRecordError(Exception):
    """A record of Helm that cannot be read."""


def helm_release(secret: Mapping[str, Any]) -> HelmRelease:
    """The release of a Secret of type ``helm.sh/release.v1``: JSON, packed by gzip, in base64 twice.

    Raises:
        UnreadableRecordError: it is something else.
    """
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        record = json.loads(gzip.decompress(packed))
        files = [file for file in record["chart"].get("files") or [] if file["name"].startswith(CRD_FOLDER)]
        return HelmRelease(
            record["name"],
            record["namespace"],
            record["version"],
            rendered(record["manifest"]),
            tuple(crd for file in files for crd in rendered(base64.b64decode(file["data"]).decode())),
            record.get("config") or {},
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError, binascii.Error, yaml.YAMLError) as error:
        name = secret["metadata"]["name"]
        raise UnreadableRecordError(f"the Secret {name} holds no record of Helm: {type(error).__name__}") from error


def rendered(text: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of a rendered manifest. The charts of most clusters of a mesh are the same: read once."""
    # Threads of several clusters come at once, and the second should find what the first one read.
    with _READING:
        return _rendered(text)


@lru_cache(maxsize=8)
def _rendered(text: str) -> tuple[Mapping[str, Any], ...]:
    return tuple(_objects(text))


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    for document in yaml.load_all(text, Loader=JsonLoader):
        if isinstance(document, Mapping) and document.get("kind") == "List":
            yield from document.get("items") or []
        elif isinstance(document, Mapping):
            yield document
