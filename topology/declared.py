"""What every model of a stack file has in common."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
# `istio-sidecar-injector-<revision>` and the like have to be names too; `istiod-<revision>` is one of a Helm release,
# of which there may be 53 characters.
REVISION_NAME = r"^[a-z0-9]([-a-z0-9]{0,44}[a-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"


class Declared(BaseModel):
    """Base of every model: camelCase keys, no unknown keys, no changes after loading."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)
