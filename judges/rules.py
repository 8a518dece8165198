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
    "IST0102": "says which namespaces are not injected, whatever the policy: SM209 looks at destinations",
    "IST0103": "is about pods, which it is not shown",
    "IST0104": "looks for the ports of gateways at pods, which it is not shown",
    "IST0106": "is what istioctl validate says, which is asked itself",
    "IST0110": "needs pods, which it is not shown",
    "IST0118": "is about names of Services' ports, which are not policy: SM207 looks at what crosses networks",
    "IST0127": "looks for workloads, which it is not shown: pods of a mirrored policy may run in another cluster",
    "IST0133": "is what istioctl validate warns of, which is asked itself",
    "IST0149": "looks for the pods of gateways, which it is not shown",
    "IST0150": "is about Services: SM208 looks at ExternalName",
    "IST0157": "needs the mesh configuration, which it is not shown",
    "IST0159": "needs pods, which it is not shown",
    "IST0161": "needs Secrets, which no preview reads",
    "IST0162": "needs the Services and pods of gateways, which it is not shown",
    "IST0173": "looks for pods of a subset in one cluster: SM210 and SM211 look at all clusters",
    "IST0175": "is about istiod's settings, not about the document",
}
"""Codes of istioctl analyze that are left out, and why."""

OF_LIVE = {"IST0101", "IST0112", "IST0132", "IST0140", "IST0174"}
"""Codes that are true only where the Services of the cluster are known."""

SAME: dict[str, tuple[str, ...]] = {
    "IST0101": ("SM202", "SM204", "SM205", "SM206"),
    "IST0109": ("SM401",),
    "IST0112": ("SM212",),
    "IST0128": ("SM304",),
    "IST0129": ("SM304",),
    "IST0174": ("SM204",),
    "outlier detection policy must be provided for failover": ("SM301",),
    "'distribute' and 'failover'": ("SM302",),
    "duplicate subset names": ("SM203",),
    "total destination weight = 0": ("SM201",),
}
"""What our own rules say already, by Istio's code or words."""
