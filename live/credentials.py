"""When the credentials in an operator's kubeconfig end, as far as they say so themselves."""

import base64
import binascii
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from live.kubeconfig import ClusterAccess
from live.remote_access.tokens import token_expiry


def credentials_end(access: ClusterAccess) -> datetime | None:
    """The end of the client certificate or of the token by which a cluster is opened.

    Args:
        access: the cluster, with its kubeconfig.

    Returns:
        None where it has no end, or a program gives the credentials, or they cannot be read.
    """
    user: dict[str, Any] = access.document["users"][0].get("user") or {}
    try:
        if pem := _text(user, "client-certificate"):
            return x509.load_pem_x509_certificate(pem).not_valid_after_utc
        token = str(user.get("token") or "") or (Path(user["tokenFile"]).read_text() if "tokenFile" in user else "")
    except (OSError, ValueError, binascii.Error):
        return None
    return token_expiry(token.strip())


def _text(user: dict[str, Any], name: str) -> bytes:
    if data := user.get(f"{name}-data"):
        return base64.b64decode(data)
    return Path(user[name]).read_bytes() if user.get(name) else b""
