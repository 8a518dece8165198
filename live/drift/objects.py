"""Objects of any kind, read from one cluster as they are."""

from collections.abc import Iterator, Mapping
from typing import Any

from kubernetes.client.exceptions import ApiException

from live.policy.api import Api, Kind

Object = Mapping[str, Any]


class Objects:
    """Reads objects of one cluster; kinds are looked up once.

    Args:
        api: the cluster's API.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kinds: dict[str, dict[str, Kind]] = {}

    def kind(self, api_version: str, kind: str) -> Kind | None:
        """A kind in one version; None where the cluster does not serve it."""
        if api_version not in self._kinds:
            self._kinds[api_version] = {each.kind: each for each in self._served(api_version)}
        return self._kinds[api_version].get(kind)

    def read(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """One object with its managedFields; None where it is not there, or its kind is not."""
        known = self.kind(api_version, kind)
        if known is None:
            return None
        try:
            return dict(self._api.get(known.path(namespace, name)))
        except ApiException as error:
            if error.status != 404:
                raise
            return None

    def labelled(self, kind: Kind, selector: str, namespace: str = "") -> list[dict[str, Any]]:
        """Every object of a kind that a label selector chooses, of one namespace or of all."""
        return list(self._api.list(kind, namespace, selector))

    def _served(self, api_version: str) -> Iterator[Kind]:
        group, slash, version = api_version.rpartition("/")
        try:
            resources = self._api.get(f"/apis/{api_version}" if slash else f"/api/{api_version}")["resources"]
        except ApiException as error:
            if error.status != 404:
                raise
            return
        for each in resources:
            if "/" not in each["name"]:
                yield Kind(group, version, each["kind"], each["name"], each["namespaced"])
