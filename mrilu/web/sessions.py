"""What a browser holds after a login: a signed cookie that ends by itself, and tokens for what it sends. Pure.

The key is made of the operators' password, so that no secret has to be set and a new password ends every session.
"""

from __future__ import annotations

import hmac
import secrets

SECONDS = 12 * 3600  # that a session lasts
COOKIE = "mrilu_session"
BASIC = "basic"  # the session of who sends the password each time


def new_session(password: str, now: float) -> str:
    """Return a cookie's value: when it ends (seconds since 1970), a random name, and a signature of both."""
    told = f"{int(now) + SECONDS}.{secrets.token_hex(16)}"
    return f"{told}.{_signed(password, 'session', told)}"


def session_in(cookie: str, password: str, now: float) -> str:
    """Return the name of the session that a cookie holds; "" for one that has ended or was not signed by us."""
    told, _, signature = cookie.rpartition(".")
    right = _signed(password, "session", told)
    if not hmac.compare_digest(signature.encode(), right.encode()):
        return ""
    end, _, name = told.partition(".")
    return name if now < int(end) else ""


def token_for(session: str, password: str) -> str:
    """Return what the forms of a session send along, which no other site can know."""
    return _signed(password, "form", session)


def is_token_for(session: str, password: str, given: str) -> bool:
    """Tell whether a form of this session sent `given`."""
    return hmac.compare_digest(given.encode(), token_for(session, password).encode())


def _signed(password: str, purpose: str, text: str) -> str:
    key = hmac.digest(password.encode(), b"mrilu: operators' sessions", "sha256")
    return hmac.new(key, f"{purpose}.{text}".encode(), "sha256").hexdigest()
