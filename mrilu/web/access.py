"""Who may see what operators see: whoever has OPERATOR_PASSWORD, or the token where none is set."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from math import ceil
from urllib.parse import urlsplit

from flask import Request, Response, after_this_request, current_app, request

from mrilu.runtime.operators import operator_token
from mrilu.runtime.redis import redis_connection
from mrilu.web.guesses import Guesses

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_PASSED_ON = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
)
_COOKIE = "mrilu_operator"
_COOKIE_SECONDS = 30 * 86400
_HARMLESS = ("GET", "HEAD", "OPTIONS")


def refuse_strangers(*, local_may: bool) -> Response | None:
    """Return the refusal of a request that may not see operators' pages, None for one that may.

    The password is OPERATOR_PASSWORD, or the token that `./run.sh status` prints. With `local_may` this machine
    needs none (a scraper beside us): that is no more than a guess, since a proxy's requests come from here, too.
    """
    if local_may and is_local(request):
        return None
    if request.authorization is None or request.authorization.password is None:
        return _ask_for_password()
    address = request.remote_addr or ""
    password = _operators_password()
    seconds = 0.0 if _was_here(password) else _guesses().seconds_to_wait(address)
    if seconds:
        wait = {"Retry-After": str(ceil(seconds))}
        return Response(f"too many wrong passwords: try again in {seconds:.0f} s\n", 429, wait)
    if has_password(request, password):
        after_this_request(lambda answer: _remember(answer, password))
        return None
    _guesses().note_wrong(address)
    return _ask_for_password()


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


def has_password(asked: Request, password: str) -> bool:
    """Tell whether the request carries the operators' password, under any user name."""
    given = asked.authorization.password if asked.authorization else None
    return bool(given) and hmac.compare_digest(str(given).encode(), password.encode())


def is_local(asked: Request) -> bool:
    """Tell whether the request was made on this machine, for this machine.

    A proxy that passes the world's requests on is on this machine, too: it leaves headers, or speaks HTTP/1.0, or
    SITE_URL says that there is one. A page that has its own name lead here (DNS rebinding) shows in Host.
    """
    try:
        near = ip_address(asked.remote_addr or "").is_loopback
    except ValueError:
        return False
    direct = (
        not any(name in asked.headers for name in _PASSED_ON)
        and asked.environ["SERVER_PROTOCOL"] != "HTTP/1.0"
    )
    site = urlsplit(current_app.config["SITE_URL"]).hostname
    return (
        near
        and direct
        and site in _LOCAL_NAMES
        and urlsplit(f"//{asked.host}").hostname in _LOCAL_NAMES
    )


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
