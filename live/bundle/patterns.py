"""Secrets in running text, by what they look like: keys, tokens, credentials of headers and URLs, assignments."""

import base64
import binascii
import json
import re
import string
from collections.abc import Callable, Iterator

Mask = Callable[[str], str]

SPACE = r"(?:[ +_]|%20|\\u0020)"
KEY_NAME = rf"(?:{SPACE}|[A-Z0-9])*PRIVATE{SPACE}KEY"
# One without an end is masked to the end of the text: what comes after it may be any part of the key.
PRIVATE_KEY = re.compile(rf"-----BEGIN{KEY_NAME}.*?(?:-----END{KEY_NAME}[A-Z ]*-----|\Z)", re.DOTALL)
# How the DER of a private key begins in base64: RSA, EC P-256, P-384 and P-521, and PKCS 8 of each and of Ed25519.
BARE_KEY = re.compile(
    r"(?:MII[A-Za-z0-9+/]{2,3}IBA|MHcCAQEE|MIGkAgEBB|MIHcAgEBB|MIGHAgEA|MIG2AgEA|MIHuAgEA|MC4CAQAw|MIGNAgEA)"
    r"(?:[A-Za-z0-9+/=]|\\[nr]|\s){20,}"
)
COMPRESSED = re.compile(r"H4sI[A-Za-z0-9+/_-]{24,}={0,2}")
TOKEN = re.compile(r"(?<![A-Za-z0-9_-])(e[yw][A-Za-z0-9_-]{6,})\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){0,3}")
RUN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,}(?:(?:(?:\\r)?\\n|\r?\n)[ \t]*[A-Za-z0-9+/_-]{4,})*={0,2}")
HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){24,}")
# No pattern may take longer on a text that was made to be hard: what can repeat is bounded.
GAP = r"\s{0,8}"
QUOTE = r"""\\?["']?"""
# What is masked already stays as it is, so that one secret has one mask wherever it stood.
NEW = rf"(?!{GAP}{QUOTE}(?:\w{{1,20}} )?<masked-)"
LINE = r"""([^"'\\\r\n]+)"""
VALUE = r"""([^\s"'\\,;&<>{}()\[\]|]{4,})"""
HEADER = re.compile(rf"(?i)((?<![a-z-])(?:proxy-)?authorization{QUOTE}{GAP}[:=,]{GAP}{QUOTE}){NEW}{LINE}")
COOKIE = re.compile(rf"(?i)((?<![a-z])(?:set-)?cookie{QUOTE}{GAP}[:=,]{GAP}{QUOTE}){NEW}{LINE}")
BEARER = re.compile(rf"(?i)(\bbearer\s{{1,8}}){NEW}([A-Za-z0-9._~+/=-]{{8,}})")
BASIC = re.compile(rf"(?i)(\bbasic\s{{1,8}}){NEW}([A-Za-z0-9+/=_-]{{8,}})")
USER = re.compile(rf"""(://[^\s/?#:@"']*:){NEW}([^\s/?#@"']+)(?=@)""")
# What services give out with a mark of their own: AWS, GitHub, GitLab, Slack, Google, HashiCorp Vault, Pulumi.
MARKED = re.compile(
    r"\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|hv[sbr]\.[A-Za-z0-9_-]{20,}"
    r"|pul-[a-f0-9]{40})"
)
SURE = r"passw(?:or)?d|passphrase|pwd|(?:api|access|private|secret|client|account|signing)[._-]?key(?:[._-]?data)?"
LIKELY = r"token|secret|credentials?"
ASSIGNED = re.compile(rf"(?i)((?:{SURE}){QUOTE}{GAP}(?:[:=]|=>){GAP}{QUOTE}){NEW}{VALUE}")
# `invalid token: signature is wrong` is a sentence: here a value is in quotes, follows a `=`, or is no plain word.
QUOTED = r"""\\?["']"""
LIKELY_ASSIGNED = re.compile(
    rf"(?i)((?:{LIKELY}){QUOTE}{GAP}(?:={GAP}{QUOTE}|:{GAP}{QUOTED}|:{GAP}(?=\S*[^a-z\s.,:-]))){NEW}{VALUE}"
)
FLAG = re.compile(rf"""(?i)((?<![^\s"'])--?[a-z0-9-]{{0,40}}(?:{SURE}|{LIKELY})[ \t]{{1,8}}){NEW}(?!-)([^\s"']+)""")
QUERY = re.compile(rf"""("(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) [^\s"?]*\?){NEW}([^\s"]+)""")
# Names by which Secrets are told, and which logs of istiod are full of.
SECRET_NAMES = re.compile(r"(?:[a-z0-9-]+/)?(?:cacerts|istio[a-z0-9.-]*)")

KUBECONFIG = ("clusters", "users", "contexts")
DEPTH = 3
PRINTABLE = string.printable.encode()


def masked(text: str, mask: Mask, holds_known: Callable[[str], bool]) -> str:
    """The text with everything that looks like a secret replaced.

    Args:
        text: any text.
        mask: what stands for a secret.
        holds_known: whether a text holds a secret that is known by its own bytes: asked of what base64 hides.
    """
    for pattern in (PRIVATE_KEY, BARE_KEY, COMPRESSED, MARKED):
        text = pattern.sub(lambda match: mask(match.group()), text)
    text = TOKEN.sub(lambda match: mask(match.group()) if _is_token(match[1]) else match.group(), text)
    text = RUN.sub(lambda match: mask(match.group()) if _hides(match.group(), holds_known) else match.group(), text)
    text = HEX.sub(lambda match: mask(match.group()) if _hides_in_hex(match.group()) else match.group(), text)
    for after in (HEADER, COOKIE, BEARER, USER, ASSIGNED, FLAG, QUERY):
        text = after.sub(lambda match: match[1] + mask(match[2]), text)
    text = BASIC.sub(lambda match: match[1] + mask(match[2]) if _is_basic(match[2]) else match.group(), text)
    return LIKELY_ASSIGNED.sub(
        lambda match: match.group() if SECRET_NAMES.fullmatch(match[2].rstrip(".:")) else match[1] + mask(match[2]),
        text,
    )


def reveals(text: str, holds_known: Callable[[str], bool], depth: int = DEPTH) -> bool:
    """Whether a text that something hid holds a secret.

    Args:
        text: what came out of base64.
        holds_known: as of :func:`masked`.
        depth: how many layers of base64 are opened yet.
    """
    return bool(
        PRIVATE_KEY.search(text)
        or BARE_KEY.search(text)
        or COMPRESSED.search(text)
        or MARKED.search(text)
        or any(_is_token(match[1]) for match in TOKEN.finditer(text))
        or HEADER.search(text)
        or BEARER.search(text)
        or ASSIGNED.search(text)
        or all(word in text for word in KUBECONFIG)
        or holds_known(text)
        or (depth > 1 and any(_hides(run.group(), holds_known, depth - 1) for run in RUN.finditer(text)))
    )


def _hides(run: str, holds_known: Callable[[str], bool], depth: int = DEPTH) -> bool:
    return any(reveals(text, holds_known, depth) for text in _opened(run))


def _opened(run: str) -> Iterator[str]:
    """What a run of base64 may stand for: where it begins is not known, as `/` may be of a path before it."""
    joined = re.sub(r"\\[nr]|\s", "", run).rstrip("=").replace("-", "+").replace("_", "/")
    for start in range(4):
        part = joined[start:]
        part = part[: len(part) - (len(part) % 4 == 1)]
        try:
            found = base64.b64decode(part + "=" * (-len(part) % 4))
        except binascii.Error:
            continue
        # What is text begins somewhere; what is not was opened at the wrong place, or is a certificate.
        if _printable(found):
            yield found.decode("latin-1")
        elif b"\0" in found[:40] and (plain := found.replace(b"\0", b"")) and _printable(plain):
            yield plain.decode("latin-1")


def _printable(content: bytes) -> bool:
    sample = content[:3000]
    return len(sample.translate(None, PRINTABLE)) < 0.2 * len(sample)


def _hides_in_hex(run: str) -> bool:
    return b"PRIVATE KEY" in bytes.fromhex(run)


def _is_token(header: str) -> bool:
    """Whether this is the header of a JSON Web Token, or of an encrypted one (RFC 7515, RFC 7516)."""
    try:
        found = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except ValueError:
        return False
    return isinstance(found, dict) and bool({"alg", "enc", "typ", "kid"} & found.keys())


def _is_basic(credentials: str) -> bool:
    try:
        return b":" in base64.b64decode(credentials + "=" * (-len(credentials) % 4))
    except binascii.Error:
        return False
