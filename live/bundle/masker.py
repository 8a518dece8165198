"""Masking: by the bytes of secrets that are known, by what fields are called, and by what text looks like."""

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml

from live.bundle import patterns
from live.bundle.names import JWK_PRIVATE, NAMED, REFERENCE, VALUES, flat, is_password, is_secret
from policy.document import JsonLoader

# A shorter one would be found in half of all words: such a one is masked by its field only.
SHORTEST = 8
SHORT, SHORT_TEXTS = 200, 20_000
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CONTAINERS = {"containers", "initContainers", "ephemeralContainers"}
# Istio's own: what they are told is what a bundle is for.
ISTIO_CONTAINERS = {"istio-proxy", "istio-init", "istio-validation", "discovery", "enable-core-dump", "install-cni"}
LARGEST_YAML = 1_000_000
YAML = re.compile(r"(?m)^[ \t-]*[\"']?[\w./-]+[\"']?[ \t]*:([ \t]|$)")
YAML_ALIAS = re.compile(r"(?m)[:\-,\[][ \t]*\*\w")
WASM = "envoy.extensions.wasm.v3.PluginConfig", "wasm.v3.Wasm", "wasm.v3.PluginConfig"


class Masker:
    """Masks the secrets in texts and documents; may be used by several threads at once.

    What stands for a secret is ``<masked-1f2e3d4c>``: the same within one bundle wherever the same secret stood, so
    that two tokens can be told apart; nothing can be concluded from it without a key that is kept nowhere.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Nothing is masked yet.

        Args:
            known: secrets that are known by their own bytes; of a PEM key its lines count too, each by itself.
        """
        self._key = os.urandom(32)
        needles = {form for secret in known for form in _forms(secret)}
        self._needles = sorted((n for n in needles if len(n) >= SHORTEST), key=len, reverse=True)
        # Proxies say the same short texts thousands of times.
        self._short = lru_cache(SHORT_TEXTS)(self._string)

    def mask(self, secret: str) -> str:
        """What stands for a secret."""
        return f"<masked-{hmac.new(self._key, secret.encode(errors='replace'), hashlib.sha256).hexdigest()[:8]}>"

    def text(self, text: str) -> str:
        """A text, for example a log, without its secrets."""
        for needle in self._needles:
            if needle in text:
                text = text.replace(needle, self.mask(needle))
        return patterns.masked(text, self.mask, self._holds_known)

    def document(self, value: Any) -> Any:
        """An object as of JSON without its secrets: those in its fields, and those in texts that it holds."""
        try:
            return self._masked(value)
        except RecursionError:
            return self.mask(repr(type(value))) + " (nested too deeply to be looked through)"

    def _holds_known(self, text: str) -> bool:
        return any(needle in text for needle in self._needles)

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._short(value) if len(value) < SHORT else self._string(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, Sequence):
            return self._list([self._masked(item) for item in value], value)
        return value

    def _list(self, done: list[Any], value: Sequence[Any]) -> list[Any]:
        # A key whose lines stand one by one, and a flag before its value.
        joined = "\n".join(item if isinstance(item, str) else "" for item in value)
        if patterns.PRIVATE_KEY.search(joined):
            return [
                self.mask(item) if isinstance(item, str) else masked for item, masked in zip(value, done, strict=True)
            ]
        return [
            self.mask(item)
            if isinstance(item, str) and index and isinstance(value[index - 1], str) and _is_flag(value[index - 1])
            else masked
            for index, (item, masked) in enumerate(zip(value, done, strict=True))
        ]

    def _mapping(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        hidden = self._hidden(value)
        masked: dict[Any, Any] = {}
        for key, each in value.items():
            name = str(key)
            shown = self.text(name) if isinstance(key, str) else key
            if name == LAST_APPLIED:
                masked[shown] = "<left out: it repeats the object>"
            elif name == "managedFields" and isinstance(each, list):
                masked[shown] = [{k: v for k, v in _of(entry).items() if k != "fieldsV1"} for entry in each]
            elif name in hidden:
                masked[shown] = self._leaves(each)
            elif name in CONTAINERS and isinstance(each, list):
                masked[shown] = [self._container(_of(container)) for container in each]
            elif is_secret(name):
                masked[shown] = self._secret(name, each)
            else:
                masked[shown] = self._masked(each)
        return masked

    def _hidden(self, value: Mapping[Any, Any]) -> set[str]:
        """Fields of which everything is masked, because of what stands beside them."""
        hidden: set[str] = set()
        if value.get("kind") == "Secret" and "apiVersion" in value:
            hidden |= {"data", "stringData"}
        if value.get("kind") == "ConfigMap":
            hidden |= {"binaryData"}
        if "kty" in value:
            hidden |= JWK_PRIVATE
        if str(value.get("@type", "")).endswith(WASM):
            hidden |= {"configuration", "environment_variables"}
        hidden |= {"pluginConfig"} & value.keys()
        if any(isinstance(value.get(name), str) and is_secret(value[name]) for name in NAMED):
            hidden |= {str(key) for key in value if flat(str(key)) in VALUES}
        return hidden

    def _secret(self, name: str, value: Any) -> Any:
        """The value of a field that is called like a secret: all of it but what only refers to one."""
        if isinstance(value, Mapping):
            if "@type" in value:
                return self._masked(value)
            return {
                key: self._masked(each) if flat(str(key)) in REFERENCE else self._secret(name, each)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._secret(name, each) for each in value]
        if isinstance(value, str):
            return self.mask(value) if value else value
        return self.mask(str(value)) if is_password(name) and not isinstance(value, bool | None) else value

    def _leaves(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._leaves(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._leaves(each) for each in value]
        return value if value is None or value == "" or isinstance(value, bool) else self.mask(str(value))

    def _container(self, container: Mapping[Any, Any]) -> dict[Any, Any]:
        """Of a container that is not Istio's, nothing of its variables but their names, and none of its arguments."""
        if container.get("name") in ISTIO_CONTAINERS:
            return self._mapping(container)
        shown = self._mapping({key: each for key, each in container.items() if key not in {"env", "args", "command"}})
        for key in ("command", "args"):
            if key in container:
                shown[key] = self._leaves(container[key])
        if isinstance(container.get("env"), list):
            shown["env"] = [
                {**self._mapping(_of(each)), **({"value": self._leaves(each["value"])} if "value" in _of(each) else {})}
                for each in container["env"]
            ]
        return shown

    def _string(self, text: str) -> str:
        stripped = text.lstrip()
        if stripped[:1] in {"{", "["}:
            try:
                found = json.loads(text)
            except ValueError:
                return self.text(text)
            return json.dumps(self._masked(found))
        if len(text) < LARGEST_YAML and YAML.search(text):
            return self._yaml(text)
        return self.text(text)

    def _yaml(self, text: str) -> str:
        if YAML_ALIAS.search(text):
            return self.text(text)
        try:
            found = list(yaml.load_all(text, Loader=JsonLoader))
        except (yaml.YAMLError, ValueError):
            return self.text(text)
        if not any(isinstance(each, dict | list) for each in found):
            return self.text(text)
        masked = [self._masked(each) for each in found]
        # Comments and order are worth keeping where there was nothing to mask.
        return self.text(text if masked == found else yaml.safe_dump_all(masked, sort_keys=False))


def _of(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_flag(text: str) -> bool:
    return text.startswith("-") and "=" not in text and is_secret(text)


def _forms(secret: str) -> list[str]:
    """How a secret may stand in a text: as it is, as JSON writes it, a key's lines one by one, and what base64 hid."""
    forms = [secret, secret.strip(), json.dumps(secret)[1:-1]]
    try:
        plain = base64.b64decode(secret, validate=True).decode()
    except ValueError:
        plain = ""
    if "PRIVATE KEY" in plain:
        forms += [plain, json.dumps(plain)[1:-1]]
    for text in (secret, plain):
        if "PRIVATE KEY" in text:
            forms += [line for line in text.splitlines() if len(line) >= 16 and not line.startswith("-----")]
    return forms
