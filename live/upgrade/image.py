"""The version that an image says."""

VARIANTS = ("-distroless", "-debug")


def tag(image: str) -> str:
    """``1.30.5`` of ``docker.io/istio/proxyv2:1.30.5-distroless@sha256:…``; empty: it has a digest only."""
    found = image.split("@", 1)[0].rsplit("/", 1)[-1].partition(":")[2]
    for variant in VARIANTS:
        found = found.removesuffix(variant)
    return found
