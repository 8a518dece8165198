"""What the second judge can object to."""

from policy.finding import Rule

VALIDATION = "https://istio.io/latest/docs/reference/commands/istioctl/#istioctl-validate"
ANALYSIS = "https://istio.io/latest/docs/reference/config/analysis/"

REFUSED = Rule(
    "SM901",
    "Refused by istioctl validate",
    "error",
    "istiod's webhook refuses the object by the same rules: nothing of it takes effect",
    "Write what Istio's reference of this kind allows",
    VALIDATION,
    acknowledgeable=False,
)
ANALYSED = Rule(
    "SM902",
    "Error of istioctl analyze",
    "error",
    "Istio takes the object, and it does not do what it says",
    "The page of the code says what helps",
    ANALYSIS,
)
WARNED = Rule(
    "SM903",
    "Warning of istioctl",
    "warning",
    "Istio takes the object, and doubts that it does what is meant",
    "The page of the code says what helps",
    ANALYSIS,
)
RULES = (REFUSED, ANALYSED, WARNED)

FALSE_ALARMS = {
    "IST0106": "is what istioctl validate refuses, which is asked itself",
    "IST0133": "is what istioctl validate warns of, which is asked itself",
    "IST0134": "depends on the mesh's DNS capture, which it is not told",
    "IST0157": "needs the mesh configuration, which it is not shown",
    "IST0161": "needs Secrets, which no preview reads",
    "IST0175": "is about istiod's settings, not about the document",
}
"""Codes of istioctl analyze that are left out, and why. What needs Services or pods it does not look at without a
cluster: our rules do, over all clusters."""

OF_LIVE = {"IST0101", "IST0132"}
"""Codes that are true only where the policy of others in the cluster is known."""

SAME: dict[str, tuple[str, ...]] = {
    "IST0101": ("SM202", "SM204", "SM205", "SM206"),
    "IST0109": ("SM401",),
    "IST0128": ("SM304",),
    "IST0129": ("SM304",),
    "outlier detection policy must be provided for failover": ("SM301",),
    "'distribute' and 'failover'": ("SM302",),
    "duplicate subset names": ("SM203",),
    "total destination weight = 0": ("SM201",),
}
"""What our own rules say already, by Istio's code or words."""
