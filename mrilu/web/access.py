"""Who may see what operators see: whoever has OPERATOR_PASSWORD, or the token where none is set."""

from __future__ import annotations

import hmac
from math import ceil
from urllib.parse import urlsplit

from flask import Response, after_this_request, current_app, request

from mrilu.runtime.operators import operator_token
from mrilu.runtime.redis import redis_connection
from mrilu.web.guesses import Guesses

_COOKIE = "mrilu_operator"
_COOKIE_SECONDS = 30 * 86400
_HARMLESS = ("GET", "HEAD", "OPTIONS")


def refuse_strangers(*further: str | None) -> Response | None:
    """Return the refusal of a request that may not see operators' pages, None for one that may.

    The password is OPERATOR_PASSWORD, or the token that `./run.sh status` prints; `further` ones open this page, too.
    No address needs none: what a proxy passes on comes from this machine.
    """
    if not _given():
        return _ask_for_password()
    if _is_one_of(*further):  # before the others: these need no Redis
        return None
    address = request.remote_addr or ""
    password = _operators_password()
    seconds = 0.0 if _was_here(password) else _guesses().seconds_to_wait(address)
    if seconds:
        wait = {"Retry-After": str(ceil(seconds))}
        return Response(f"too many wrong passwords: try again in {seconds:.0f} s\n", 429, wait)
    if _is_one_of(password):
        after_this_request(lambda answer: _remember(answer, password))
        return None
    _guesses().note_wrong(address)
    return _ask_for_password()


def _given() -> str:
    """Return the password (any user name), or the bearer token (RFC 6750), that the request carries."""
    given = request.authorization
    return str((given.password or given.token) if given else "") or ""


def _is_one_of(*passwords: str | None) -> bool:
    given = _given().encode()
    return any(hmac.compare_digest(given, one.encode()) for one in passwords if one)


def _ask_for_password() -> Response:
    return Response(
        "a password is needed: OPERATOR_PASSWORD, or the one that ./run.sh status prints\n",
        401,
        {"WWW-Authenticate": 'Basic realm="mrilu", charset="UTF-8"'},
    )


def _operators_password() -> str:
    return current_app.config["OPERATOR_PASSWORD"] or operator_token(redis_connection())


def _guesses() -> Guesses:
    guesses: Guesses = current_app.extensions["guesses"]
    return guesses


def _was_here(password: str) -> bool:
    """Tell whether this browser gave the right password before: then others' wrong ones do not hold it up."""
    return hmac.compare_digest(request.cookies.get(_COOKIE, "").encode(), _mark(password).encode())


def _remember(answer: Response, password: str) -> Response:
    if not _was_here(password):
        answer.set_cookie(
            _COOKIE,
            _mark(password),
            path="/rq",
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
            max_age=_COOKIE_SECONDS,
        )
    return answer


def _mark(password: str) -> str:
    return hmac.new(password.encode(), b"mrilu: an operator was here", "sha256").hexdigest()


def refuse_other_sites() -> Response | None:
    """Return the refusal of a request that another site made a browser send (it sends the password along), or None."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    foreign = site not in ("same-origin", "none") or (
        origin and urlsplit(origin).netloc != request.host
    )
    if foreign and request.method not in _HARMLESS:
        return Response("this came from another site\n", 403)
    return None
