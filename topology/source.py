"""Where a text comes from that does not stand in the stack file itself: a kubeconfig, a certificate, a key."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from topology.declared import Declared


class Source(Declared):
    """Exactly one of ``path``, ``env``, ``secret``, or ``stack`` with ``output``."""

    path: str | None = Field(None, description="File; `~` is expanded, a relative path starts at Pulumi.yaml.")
    env: str | None = Field(None, description="Environment variable that holds the text (not its path).")
    secret: str | None = Field(
        None, repr=False, description="The text, as a Pulumi secret: `pulumi config set --path --secret`."
    )
    stack: str | None = Field(None, description="Another stack, as organization/project/stack; with `output`.")
    output: str | None = Field(None, description="Output of that stack; dots lead into an object.")

    @property
    def given(self) -> list[str]:
        """Which of the four ways are named."""
        return [way for way in ("path", "env", "secret", "stack") if getattr(self, way) is not None]


class Kubeconfig(Source):
    """Where the operator's kubeconfig of one cluster comes from.

    With none of the four ways it is what kubectl would use: the files of ``KUBECONFIG``, or ``~/.kube/config``.
    """

    context: str | None = Field(None, description="Context to use; the kubeconfig's current context when absent.")


class ApiServer(Declared):
    """The API server of one cluster, as the istiods of the other clusters reach it."""

    url: str = Field(description="https URL of the API server as the other clusters reach it.")
    tls_server_name: str | None = Field(
        None, description="Name that its certificate is checked against, where that is not the URL's host."
    )
    ca_certificate: Source | None = Field(
        None, description="CA that its certificate chains to at that URL; absent: the cluster's own CA."
    )
    readers: dict[str, str] = Field(
        default_factory=dict,
        description="For a reading cluster's name, another https URL by which that one reaches it.",
    )


def _from_url(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


UrlOrApiServer = Annotated[ApiServer, BeforeValidator(_from_url, json_schema_input_type=str | ApiServer)]
