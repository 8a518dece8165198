"""Answers of API servers, recorded from Kubernetes 1.36 with Istio 1.32-dev, in words for who wrote the object."""

import json
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from live.policy.refusal import refusal

ISTIOD = 'admission webhook "validation.istio.io" denied the request: configuration is invalid: '
UNCHECKED = {
    "reason": "FieldValueInvalid",
    "message": "Invalid value: null: some validation rules were not checked because the object was invalid; correct "
    "the existing errors to complete validation",
    "field": "<nil>",
}
WHOLE = '{"apiVersion":"networking.istio.io/v1","spec":{"htp":1}}'


def answer(code: int, message: str, *causes: dict[str, str]) -> ApiException:
    error = ApiException(status=code, reason="as http.client says")
    details: dict[str, Any] = {"details": {"causes": list(causes)}} if causes else {}
    error.body = json.dumps({"kind": "Status", "message": message, "code": code, **details})
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (answer(400, ISTIOD + "weight -1 < 0"), [((), "validation.istio.io: weight -1 < 0")]),
        (
            answer(
                400,
                ISTIOD + "2 errors occurred:\n\t* can not simultaneously specify 'distribute' and 'failover'\n"
                "\t* duplicate subset names: v1\n\n",
            ),
            [
                ((), "validation.istio.io: can not simultaneously specify 'distribute' and 'failover'"),
                ((), "validation.istio.io: duplicate subset names: v1"),
            ],
        ),
        (
            answer(
                500,
                "failed to create typed patch object (shop/t; networking.istio.io/v1, Kind=VirtualService): "
                ".spec.http[0].htp: field not declared in schema",
            ),
            [(("spec", "http", 0, "htp"), "spec.http[0].htp: field not declared in schema")],
        ),
        (
            answer(
                422, f' "" is invalid: patch: Invalid value: "{WHOLE}": strict decoding error: unknown field "spec.htp"'
            ),
            [(("spec", "htp"), "unknown field spec.htp")],
        ),
        (
            answer(
                422,
                'DestinationRule.networking.istio.io "t" is invalid: [...]',
                {"field": "spec.trafficPolicy.tls.mode", "message": 'Unsupported value: "SIMPLEX"'},
                UNCHECKED,
            ),
            [(("spec", "trafficPolicy", "tls", "mode"), 'spec.trafficPolicy.tls.mode: Unsupported value: "SIMPLEX"')],
        ),
        (
            answer(403, 'admission webhook "policy.example" denied the request: routes need a timeout'),
            [((), "policy.example: routes need a timeout")],
        ),
        (
            answer(403, 'virtualservices "t" is forbidden: namespace shop is being terminated'),
            [((), 'virtualservices "t" is forbidden: namespace shop is being terminated')],
        ),
    ],
    ids=["istiod", "istiod, several", "apply", "patch", "type", "another webhook", "namespace goes"],
)
def test_what_is_wrong_with_an_object_is_told_with_its_place(
    error: ApiException, said: list[tuple[tuple[str | int, ...], str]]
) -> None:
    answered = refusal(error)
    assert [(o.path, o.message) for o in answered.objections] == said
    assert answered.unjudged == ""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            answer(
                500,
                'Internal error occurred: failed calling webhook "validation.istio.io": failed to call webhook: Post '
                '"https://istiod.istio-system.svc:443/validate?timeout=10s": dial tcp 10.96.36.0:443: connect: '
                "connection refused",
                {"message": 'failed calling webhook "validation.istio.io": failed to call webhook'},
            ),
            "dial tcp 10.96.36.0:443: connect: connection refused",
        ),
        (
            answer(
                403,
                'virtualservices.networking.istio.io "t" is forbidden: User "ci" cannot patch resource "t"',
            ),
            'User "ci" cannot patch resource',
        ),
        (answer(400, 'admission webhook "policy.example" does not support dry run'), "does not support dry run"),
        (answer(429, "too many requests"), "answers 429: too many requests"),
        (ApiException(status=503, reason="Service Unavailable"), "answers 503: Service Unavailable"),
    ],
    ids=["istiod is down", "no right", "no dry run", "busy", "no API server behind its load balancer"],
)
def test_an_object_that_nobody_judged_is_not_called_wrong(error: ApiException, reason: str) -> None:
    answered = refusal(error)
    assert answered.objections == ()
    assert reason in answered.unjudged
