"""What can be wrong with the shape of a document."""

from policy.finding import Rule

REFERENCE = "https://istio.io/latest/docs/reference/config/"

UNKNOWN_KIND = Rule(
    "SM110",
    "Unknown kind or version",
    "error",
    "The API server refuses the object: nothing of it takes effect",
    "Write a kind and apiVersion that this Istio version or the Gateway API has",
    REFERENCE,
    acknowledgeable=False,
)
UNKNOWN_FIELD = Rule(
    "SM111",
    "Unknown field",
    "error",
    "The API server refuses the object, or drops the field without a word and the rest takes effect without it",
    "Take the field away, or write the one that is meant",
    "https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation",
    acknowledgeable=False,
)
WRONG_VALUE = Rule(
    "SM112",
    "Value of the wrong shape",
    "error",
    "The API server or istiod's webhook refuses the object: nothing of it takes effect",
    "Write a value as the reference of this kind describes it",
    "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation",
    acknowledgeable=False,
)
BROKEN_RULE = Rule(
    "SM113",
    "A rule of the type is broken",
    "error",
    "The API server refuses the object: nothing of it takes effect",
    "Write the object so that the rule of its type holds",
    "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules",
    acknowledgeable=False,
)
NO_POLICY = Rule(
    "SM114",
    "A kind that is no policy",
    "error",
    "The object is not mirrored: workloads and what the cluster itself consists of belong to whoever runs them there",
    "Take the object out of the policy files; a Service for clusters that do not run it is one entry of `services`",
    REFERENCE,
    acknowledgeable=False,
)
REFUSED_BY_ISTIOD = Rule(
    "SM115",
    "Refused by istiod's webhook",
    "error",
    "istiod's webhook refuses the object, though its shape is right: nothing of it takes effect",
    "Write what the reference of this kind allows",
    "https://github.com/istio/istio/tree/master/pkg/config/validation",
    acknowledgeable=False,
)
TYPES_MISSING = Rule(
    "SM119",
    "Types could not be had",
    "warning",
    "The shape of these documents was not looked at: the API server and istiod may refuse them",
    "Make the charts of this version available: a folder in `istio.charts`, or `spanmesh tools install`",
    REFERENCE,
)
RULES = (UNKNOWN_KIND, UNKNOWN_FIELD, WRONG_VALUE, BROKEN_RULE, NO_POLICY, REFUSED_BY_ISTIOD, TYPES_MISSING)
