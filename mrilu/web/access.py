"""Who may see what operators see: whoever has OPERATOR_PASSWORD, or the token where none is set.

It comes with each request (HTTP Basic, a bearer token), or once: the form at /login leaves a session (sessions.py).
No address needs none: what a proxy passes on comes from this machine.
"""

from __future__ import annotations

import hmac
import logging
import time
from math import ceil
from urllib.parse import urlsplit

from flask import Response, after_this_request, current_app, g, request
from redis import RedisError

from mrilu.runtime.operators import operator_token
from mrilu.runtime.redis import redis_connection
from mrilu.web import sessions
from mrilu.web.guesses import Guesses
from mrilu.web.patience import Asker

logger = logging.getLogger(__name__)

_COOKIE = "mrilu_operator"
_COOKIE_SECONDS = 30 * 86400
_ENDED = "mrilu:session-ended:{}"
PATIENCE = 2.0  # seconds for Redis; while it hangs, only the first one waits
_redis = Asker("redis")
_HARMLESS = ("GET", "HEAD", "OPTIONS")


class TooManyGuesses(Exception):
    """Too many wrong passwords came from this address; `seconds` until the next one is looked at."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many wrong passwords: try again in {seconds:.0f} s")
        self.seconds = ceil(seconds)


def refuse_strangers(*further: str | None) -> Response | None:
    """Return the refusal of a request that may not see operators' pages, None for one that may.

    The password is OPERATOR_PASSWORD, or the token that `./run.sh status` prints; `further` ones open this page, too.
    """
    if _is_one_of(_given(), *further):  # before the others: these need no Redis
        return None
    try:
        return None if session() else _ask_for_password()
    except TooManyGuesses as error:
        return Response(f"{error}\n", 429, {"Retry-After": str(error.seconds)})


def session() -> str:
    """Return the name of the operator's session that this request belongs to, "" for a stranger's.

    Raises TooManyGuesses, where a password came along that is not looked at yet.
    """
    if not hasattr(g, "session"):
        g.session = _session_of_cookie() or _session_of_password()
    return str(g.session)


def is_operator() -> bool:
    """Tell whether an operator who has logged in asks for a page that is everyone's.

    A password in the request says nothing there: a proxy that guards the whole site passes on its own.
    """
    if not hasattr(g, "logged_in"):
        try:
            g.logged_in = _session_of_cookie() != ""
        except (RedisError, TimeoutError):
            g.logged_in = False
    return bool(g.logged_in)


def _session_of_cookie() -> str:
    cookie = request.cookies.get(sessions.COOKIE, "")
    if not cookie:
        return ""
    name = sessions.session_in(cookie, _operators_password(), time.time())
    return "" if name and _has_ended(name) else name


def _session_of_password() -> str:
    given = _given()
    if not given:
        return ""
    return sessions.BASIC if password_if_right(given) else ""


def password_if_right(given: str) -> str:
    """Return the operators' password if `given` is it, else "", and count the guess. Raises TooManyGuesses."""
    address = request.remote_addr or ""
    password = _operators_password()
    seconds = 0.0 if _was_here(password) else _guesses().seconds_to_wait(address)
    if seconds:
        raise TooManyGuesses(seconds)
    if not _is_one_of(given, password):
        _guesses().note_wrong(address)
        return ""
    after_this_request(lambda answer: _remember(answer, password))
    return password


def log_in(answer: Response, password: str) -> None:
    """Give the browser a session with this answer."""
    _set_cookie(answer, sessions.COOKIE, sessions.new_session(password, time.time()), None)
    logger.warning("operator logged in address=%s", request.remote_addr)


def log_out(answer: Response) -> None:
    """End the session of this request, for whoever holds its cookie."""
    answer.delete_cookie(sessions.COOKIE, path="/")
    if session() != sessions.BASIC:
        redis_connection().set(_ENDED.format(session()), 1, ex=sessions.SECONDS)
    logger.warning("operator logged out address=%s", request.remote_addr)


def _has_ended(name: str) -> bool:
    """Tell whether its operator logged out; where Redis is away, the session goes on until it ends by itself."""
    try:
        return bool(_redis.ask(lambda: redis_connection().exists(_ENDED.format(name)), PATIENCE))
    except (RedisError, TimeoutError):
        return False


def form_token() -> str:
    """Return what the forms of this operator's pages send along as `token`."""
    return sessions.token_for(session(), _operators_password())


def refuse_forged() -> Response | None:
    """Return the refusal of a request that acts and was not sent by a form of this operator's pages, or None."""
    if refusal := refuse_other_sites():
        return refusal
    given = request.form.get("token", "")
    if sessions.is_token_for(session(), _operators_password(), given):
        return None
    return Response("this form is too old, or not ours: go back, load the page again\n", 403)


def _given() -> str:
    """Return the password (any user name), or the bearer token (RFC 6750), that the request carries."""
    given = request.authorization
    return str((given.password or given.token) if given else "") or ""


def _is_one_of(given: str, *passwords: str | None) -> bool:
    told = given.encode()
    return any(hmac.compare_digest(told, one.encode()) for one in passwords if one)


def _ask_for_password() -> Response:
    return Response(
        "a password is needed: OPERATOR_PASSWORD, or the one that ./run.sh status prints\n",
        401,
        {"WWW-Authenticate": 'Basic realm="mrilu", charset="UTF-8"'},
    )


def _operators_password() -> str:
    """Return the password; the token is remembered, so that operators can look at what is wrong while Redis is away."""
    if chosen := current_app.config["OPERATOR_PASSWORD"]:
        return str(chosen)
    if not hasattr(g, "operators_password"):
        known = current_app.extensions.get("operator_token")
        try:
            known = _redis.ask(lambda: operator_token(redis_connection()), PATIENCE)
        except (RedisError, TimeoutError):
            if known is None:
                raise
        g.operators_password = current_app.extensions["operator_token"] = known
    return str(g.operators_password)


def _guesses() -> Guesses:
    guesses: Guesses = current_app.extensions["guesses"]
    return guesses


def _was_here(password: str) -> bool:
    """Tell whether this browser gave the right password before: then others' wrong ones do not hold it up."""
    return hmac.compare_digest(request.cookies.get(_COOKIE, "").encode(), _mark(password).encode())


def _remember(answer: Response, password: str) -> Response:
    if not _was_here(password):
        _set_cookie(answer, _COOKIE, _mark(password), _COOKIE_SECONDS)
    return answer


def _set_cookie(answer: Response, name: str, value: str, seconds: int | None) -> None:
    answer.set_cookie(
        name,
        value,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=_came_by_tls(),
        max_age=seconds,
    )


def _came_by_tls() -> bool:
    """Tell whether the browser came by https: a proxy that speaks it for us is at SITE_URL."""
    site = urlsplit(str(current_app.config["SITE_URL"]))
    return request.is_secure or (site.scheme == "https" and request.host == site.netloc)


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
