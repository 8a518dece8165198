"""By which Helm knows the objects of the mesh's releases."""

from topology.defaults import NAMESPACE

LABELS = {"app.kubernetes.io/managed-by": "Helm"}


def ownership_annotations(release: str) -> dict[str, str]:
    """The annotations of an object of a release of the mesh; it needs :data:`LABELS` too."""
    return {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": NAMESPACE}
