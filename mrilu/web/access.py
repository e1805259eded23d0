"""Who may see what operators see: whoever has OPERATOR_PASSWORD, or, without one, whoever is on this machine."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Request, Response, current_app, request

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_PASSED_ON = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
)
_HARMLESS = ("GET", "HEAD", "OPTIONS")


def refuse_strangers(*, local_may: bool) -> Response | None:
    """Return the refusal of a request that may not see operators' pages, None for one that may.

    With `local_may` this machine needs no password even where one is set (a scraper beside us).
    """
    password = current_app.config["OPERATOR_PASSWORD"]
    if has_password(request, password) or ((local_may or not password) and is_local(request)):
        return None
    if password:
        return Response(
            "a password is needed\n",
            401,
            {"WWW-Authenticate": 'Basic realm="mrilu", charset="UTF-8"'},
        )
    return Response("only from this machine: set OPERATOR_PASSWORD to see it from elsewhere\n", 403)


def has_password(asked: Request, password: str | None) -> bool:
    """Tell whether the request carries the operators' password, under any user name."""
    given = asked.authorization.password if asked.authorization else None
    return bool(password and given) and hmac.compare_digest(
        str(given).encode(), str(password).encode()
    )


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
