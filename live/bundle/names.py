"""By which names of fields, variables and headers a value is known to be secret."""

import re
from functools import lru_cache

# Those of Envoy, Istio and Kubernetes come again and again.
NAMES = 10_000
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
ALWAYS = {"password", "passwords", "passwd", "passphrase", "pwd", "htpasswd"}
LAST = {
    *("token", "tokens", "secret", "secrets", "credential", "credentials", "authorization", "auth", "auths"),
    *("cookie", "cookies", "jwt", "kubeconfig", "apikey", "dockerconfigjson", "dockercfg"),
}
KEY_OF = {
    *(
        "private",
        "api",
        "access",
        "client",
        "secret",
        "signing",
        "encryption",
        "account",
        "ssh",
        "tls",
        "hmac",
        "master",
    ),
    *("auth", "server", "ca", "root", "session", "ticket", "cert", "shared", "subscription", "license"),
}
# How a value is written says nothing of what it is.
FORM = {"data", "value", "text", "string", "bytes", "pem", "base", "json", "yaml", "b"}
# Named so by Envoy and Kubernetes; what is in them, certificates and names, is looked at field by field.
NOT = {
    *("dynamicactivesecrets", "dynamicwarmingsecrets", "staticsecrets", "imagepullsecrets", "serviceaccounttoken"),
    *("automountserviceaccounttoken", "clusterauthority"),
}
# What a reference to a secret says, and not the secret.
REFERENCE = {
    *("name", "key", "optional", "secretname", "namespace", "items", "path", "defaultmode", "mode", "audience", "aud"),
    *("filename", "type", "kind", "apiversion", "sdsconfig", "ttl"),
}
NAMED = ("name", "key", "header", "headername", "header_name")
VALUES = {
    *("value", "rawvalue", "exact", "exactmatch", "prefix", "prefixmatch", "suffix", "suffixmatch", "regex"),
    *("safe_regex", "saferegex", "saferegexmatch", "contains", "containsmatch", "stringmatch", "values"),
}
# Private members of a JSON Web Key (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
JWK_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@lru_cache(NAMES)
def flat(name: str) -> str:
    """The name in small letters, without what divides its words."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(NAMES)
def is_password(name: str) -> bool:
    """Whether a value of this name is a password, be it a number."""
    return bool(set(_words(name)) & ALWAYS)


@lru_cache(NAMES)
def is_secret(name: str) -> bool:
    """Whether a value of this name is secret: ``client-key-data``, ``clientSecret``, ``DB_PASSWORD``, ``tls.key``."""
    if flat(name) in NOT:
        return False
    words = _words(name)
    if set(words) & ALWAYS:
        return True
    formless = list(words)
    while formless and (formless[-1] in FORM or formless[-1].isdigit()):
        formless.pop()
    if not formless:
        return False
    if formless[-1] in LAST:
        return True
    if formless[-1] not in {"key", "keys"}:
        return False
    # A bare `key` is the name of something; `key.pem` is a file.
    return formless[-2] in KEY_OF if len(formless) > 1 else len(words) > 1


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]
