"""A local copy of all Kubernetes objects of one kind, kept up to date by a watch."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from kubernetes import watch
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

_LOG = logging.getLogger(__name__)
# After each watch everything is listed anew, so nothing that a watch missed stays missed.
_WATCH_SECONDS = 240
_RETRY_SECONDS = 1.0


class Watched:
    """Objects of one kind by uid. Survives any restart of the API server.

    Args:
        kind: what they are, for the log.
        list_all: the client's function that lists them in all namespaces.
        changed: set whenever something changed.
    """

    def __init__(self, kind: str, list_all: Callable[..., Any], changed: threading.Event) -> None:
        self._kind = kind
        self._list_all = list_all
        self._changed = changed
        self._lock = threading.Lock()
        self._objects: dict[str, Any] = {}
        self._synced = False

    def start(self) -> None:
        """Begin watching in the background for as long as the process lives."""
        threading.Thread(target=self._watch_for_ever, name=f"watch {self._kind}", daemon=True).start()

    def objects(self) -> list[Any] | None:
        """All objects as last seen, or None while they have never been listed."""
        with self._lock:
            return list(self._objects.values()) if self._synced else None

    def _watch_for_ever(self) -> None:
        while True:
            try:
                self._watch_once()
            except (ApiException, HTTPError, OSError) as error:
                _LOG.warning("watch of %s interrupted: %s", self._kind, str(error).replace("\n", " ")[:300])
                time.sleep(_RETRY_SECONDS)

    def _watch_once(self) -> None:
        listed = self._list_all(_request_timeout=(5, 30))
        with self._lock:
            self._objects = {each.metadata.uid: each for each in listed.items}
            self._synced = True
        self._changed.set()
        stream = watch.Watch().stream(
            self._list_all,
            resource_version=listed.metadata.resource_version,
            timeout_seconds=_WATCH_SECONDS,
            _request_timeout=(5, _WATCH_SECONDS + 30),
        )
        for event in stream:
            each = event["object"]
            with self._lock:
                if event["type"] == "DELETED":
                    self._objects.pop(each.metadata.uid, None)
                else:
                    self._objects[each.metadata.uid] = each
            self._changed.set()
