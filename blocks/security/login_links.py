"""One-time login links, for one machine: a credential lies in a file, readable by its owner alone,
until a browser shows the token of the link.
"""

import hmac
import secrets
from hashlib import sha256
from pathlib import Path

import msgspec

from blocks.clock import utc_now

FILE = "login-link"
LIVES_SECONDS = 3600


class _Waiting(msgspec.Struct, frozen=True):
    digest: str
    credential: str
    expires_at: float
    """Seconds since 1970."""


def issue_login(folder: Path, credential: str) -> str:
    """The token of a link that is good once, for an hour; an earlier link is good no more."""
    token = secrets.token_urlsafe(32)
    waiting = _Waiting(_digest(token), credential, utc_now().timestamp() + LIVES_SECONDS)
    file = folder / FILE
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.encode(waiting))
    return token


def redeem_login(folder: Path, token: str) -> str | None:
    """The credential, for the first who shows the token; None: it was used, is over or is none."""
    file = folder / FILE
    try:
        waiting = msgspec.json.decode(file.read_bytes(), type=_Waiting)
        is_it = hmac.compare_digest(waiting.digest, _digest(token))
        if not is_it or utc_now().timestamp() > waiting.expires_at:
            return None
        file.unlink()  # of two at the same time, one finds the file
    except (OSError, msgspec.DecodeError):
        return None
    return waiting.credential


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
