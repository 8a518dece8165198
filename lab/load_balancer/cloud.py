"""How the load balancers of a region behave: as those of which cloud. Data, read anew whenever it changes."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from lab.errors import LabError
from lab.plan import BALANCER_ZONE

_FOLDER = Path(__file__).parent / "clouds"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True)


class AccessControl(_Strict):
    """The annotations by which a Service says who may connect.

    Attributes:
        group: names a group of addresses that the cloud knows.
        status: `on` or `true` while it is in force.
        type: `white` for only that group, `black` for all but it.
    """

    group: str
    status: str
    type: str


class Cloud(_Strict):
    """What a cloud asks of a Service of type LoadBalancer, and what it gives.

    Attributes:
        name: what it is called.
        classes: the values of `loadBalancerClass` that it serves; an empty one stands for none.
        required_annotations: annotations without which a Service is refused, and the values that each may have.
        exactly_one_annotation: of each of these groups a Service must have one, and one only.
        json_annotations: annotations that must be JSON objects if they are there.
        source_ranges: whether `loadBalancerSourceRanges` are enforced, or a Service with them refused.
        access_control: access control by annotations, if there is any.
        address_groups: groups of addresses by id, for access control.
        address: whether a Service gets an IP or a host name.
        node_ports: whether the router forwards the node ports of Services of type NodePort.
    """

    name: str
    classes: tuple[str, ...] = ("",)
    required_annotations: dict[str, tuple[str, ...]] = {}
    exactly_one_annotation: tuple[tuple[str, ...], ...] = ()
    json_annotations: tuple[str, ...] = ()
    source_ranges: Literal["enforced", "refused"] = "enforced"
    access_control: AccessControl | None = None
    address_groups: dict[str, tuple[IPv4Network, ...]] = {}
    address: Literal["ip", "hostname"] = "ip"
    node_ports: Literal["inside", "forwarded"] = "inside"


PLAIN = Cloud(name="plain")


def known_clouds() -> list[str]:
    """Names of the clouds that come with the lab."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_cloud(which: str | Path, address_groups: Mapping[str, Sequence[str]] | None = None) -> Cloud:
    """A cloud that comes with the lab, or that a file describes.

    Args:
        which: name of the one, or path of the other (YAML, keys as in lab/load_balancer/clouds/).
        address_groups: groups of IPv4 ranges by id, on top of those of the file.

    Raises:
        LabError: there is no such cloud, or the file or a range is not what it should be.
    """
    path = _FOLDER / f"{which}.yaml" if str(which) in known_clouds() else Path(which)
    try:
        text = path.read_text()
    except OSError as error:
        raise LabError(
            f"cloud {str(which)!r} is not known and no file ({error.strerror}); "
            f"take {', '.join(known_clouds())}, or the path of a file like those"
        ) from error
    try:
        content = yaml.safe_load(text)
        if isinstance(content, dict) and address_groups:
            content["addressGroups"] = {**content.get("addressGroups", {}), **address_groups}
        return Cloud.model_validate(content)
    except yaml.YAMLError as error:
        raise LabError(f"{path}: not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise LabError(f"{path}: {where}: {first['msg']}") from error


class CloudFile:
    """The file that says which cloud a region plays; none for `plain`.

    Args:
        path: the file, as `written` makes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._cloud = PLAIN

    def changed(self) -> bool:
        """Whether it is another one than was read last."""
        return self._stamp() != self._seen

    def read(self) -> Cloud:
        """What it says now.

        Raises:
            LabError: it is damaged.
        """
        stamp = self._stamp()
        if stamp != self._seen:
            try:
                self._cloud = Cloud.model_validate_json(self._path.read_text()) if stamp else PLAIN
            except (ValidationError, FileNotFoundError) as error:
                raise LabError(f"{self._path} is damaged: {str(error).splitlines()[0]}") from error
            self._seen = stamp
        return self._cloud

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


def host_name(address: IPv4Address) -> str:
    """The host name of a load balancer's address; every region's DNS answers it with that address."""
    return f"lb-{str(address).replace('.', '-')}.{BALANCER_ZONE}"


def named_address(host: str) -> str | None:
    """The address of a load balancer's host name, or None if it is no such name."""
    label, _, zone = host.partition(".")
    return label.removeprefix("lb-").replace("-", ".") if zone == BALANCER_ZONE and label.startswith("lb-") else None
