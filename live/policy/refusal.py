"""What an API server says against an object, in words for who wrote it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes.client.exceptions import ApiException

from policy.document import Path

# The API server asked a webhook in vain: istiod is away, or does not answer in time.
NOT_ASKED = re.compile(
    r'failed calling webhook "(?P<webhook>[^"]+)": (?:failed to call webhook: )?(?P<why>.*)$', re.DOTALL
)
# Bad request, refused by a policy, invalid.
JUDGED = {400, 403, 422}
UNJUDGED = ("does not support dry run", "cannot patch resource", "cannot create resource")
DENIED = re.compile(r'^admission webhook "(?P<webhook>[^"]+)" denied the request: (?P<why>.*)$', re.DOTALL)
NO_FIELD = re.compile(r"\.(?P<field>\S+): (?P<why>field not declared in schema|expected .*)$", re.DOTALL)
STRICT = re.compile(r'unknown field "(?P<field>[^"]+)"')
SEVERAL = re.compile(r"^\d+ errors? occurred:\s*", re.MULTILINE)
# Kubernetes says so after every other cause.
UNCHECKED = "some validation rules were not checked"
PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True)
class Objection:
    """One thing that is wrong.

    Attributes:
        path: where in the object; empty where it is not said.
        message: what is wrong.
    """

    path: Path
    message: str


@dataclass(frozen=True)
class Refusal:
    """An API server's answer to an object that it does not take.

    Attributes:
        objections: what is wrong with the object; empty where it was not judged.
        unjudged: why it was not judged; empty where it was.
    """

    objections: tuple[Objection, ...] = ()
    unjudged: str = ""


def refusal(error: ApiException) -> Refusal:
    """What the API server's answer means for the object.

    Args:
        error: the answer to a dry run.
    """
    status = _status(error)
    message = str(status.get("message") or error.reason or "").strip()
    if match := NOT_ASKED.search(message):
        return Refusal(unjudged=f"the API server cannot ask the webhook {match['webhook']}: {match['why']}")
    objections = tuple(_objections(status, message))
    if not objections and error.status in JUDGED and not any(said in message for said in UNJUDGED):
        objections = (Objection((), message),)
    return Refusal(objections, "" if objections else f"the API server answers {error.status}: {message}")


def path_of(field: str) -> Path:
    """The path of a field as Kubernetes writes it: ``spec.http[0].route``."""
    return tuple(int(index) if index else name for name, index in PART.findall(field))


def _status(error: ApiException) -> Mapping[str, Any]:
    try:
        status = json.loads(error.body or "")
    except ValueError:
        return {}
    return status if isinstance(status, Mapping) else {}


def _objections(status: Mapping[str, Any], message: str) -> Iterator[Objection]:
    if match := DENIED.match(message):
        yield from (Objection((), f"{match['webhook']}: {why}") for why in _each(match["why"]))
    elif fields := STRICT.findall(message):
        yield from (Objection(path_of(field), f"unknown field {field}") for field in dict.fromkeys(fields))
    elif match := NO_FIELD.search(message):
        yield Objection(path_of(match["field"]), f"{match['field']}: {match['why']}")
    else:
        causes = (status.get("details") or {}).get("causes") or []
        yield from (_cause(cause) for cause in causes if UNCHECKED not in str(cause))


def _each(text: str) -> Iterator[str]:
    """istiod's own words, one by one: it gives several as a list with stars."""
    text = text.removeprefix("configuration is invalid: ")
    for line in SEVERAL.sub("", text).splitlines():
        if said := line.strip().removeprefix("* ").strip():
            yield said


def _cause(cause: Mapping[str, Any]) -> Objection:
    field, message = str(cause.get("field") or ""), str(cause.get("message") or "")
    return Objection(path_of(field), f"{field}: {message}" if field else message)
