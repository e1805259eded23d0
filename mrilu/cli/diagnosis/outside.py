"""Checks of what mrilu depends on: the mail server, the model, who can see the web pages."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from mrilu.cli.diagnosis.finding import Finding, error, ok, warning
from mrilu.notifications.smtp import Server, Session, SessionRefused, SessionUnavailable


def check_mail_server(server: Server | None, own_name: str) -> Finding:
    """Connect and log in as the sender of notifications does; nothing is sent."""
    if server is None:
        return ok("notifications wait: SMTP_URL is not set")
    try:
        Session(server, own_name).close()
    except SessionRefused as problem:
        return error(
            f"mail server refuses us: {problem}",
            "fix SMTP_URL (user, password, TLS) or SMTP_CA_FILE",
        )
    except SessionUnavailable as problem:
        return error(f"mail server: {problem}", "check SMTP_URL's host and port, and the way there")
    return ok(
        f"mail server {server.host}: logged in"
        if server.user
        else f"mail server {server.host}: answers"
    )


def check_model(wanted: bool, installed: bool, verify: Callable[[], bool]) -> Finding:
    """Compare the model's weights with the pinned hash, if the model is wanted and installed (False: it has none)."""
    if not wanted:
        return ok("embeddings are off")
    if not installed:
        return warning(
            "the language model is not installed yet",
            "it follows in the background: ./run.sh status",
        )
    try:
        pinned = verify()
    except Exception as problem:
        return error(f"language model: {problem}", "./run.sh setup, or set EMBEDDING_MODEL")
    if not pinned:
        return ok(
            "the language model is one of your own: its files are there, and no hash of its weights is pinned"
        )
    return ok("the language model's weights are the pinned ones")


def check_links(site: str, sending: bool, served: bool = True) -> Finding:
    """Look whether the links in notifications lead readers anywhere, and unsubscribe with one click."""
    parts = urlsplit(site)
    if not sending:
        return ok(f"links in notifications would lead to {site}")
    if _loopback(parts.hostname or ""):
        return warning(
            f"SITE_URL is {site}, this machine: readers elsewhere can open no link and cannot unsubscribe",
            "set SITE_URL to the address that readers use, such as https://archive.example.org",
        )
    if parts.scheme != "https":
        return warning(
            f"SITE_URL is {site}, without https: Gmail and Yahoo want https for one-click unsubscribing "
            "(RFC 8058, 3.1), and links that need no login travel unencrypted",
            "serve the pages by https behind a proxy, and set SITE_URL to that address",
        )
    if not served:
        return warning(
            f"WEB_ADDRESS is off: nothing here answers the links in notifications to {site}",
            "set WEB_ADDRESS, and let SITE_URL lead there, so that readers can unsubscribe",
        )
    return ok(f"links in notifications lead to {site}")


def check_reach(address: str, password: str | None) -> Finding:
    """Look whether the world is asked for a password that an operator chose."""
    if address == "off":
        return ok("web pages are off")
    host = address.rpartition(":")[0].strip("[]")
    open_ = not _loopback(host)
    if open_ and not password:
        return warning(
            f"web pages listen on {address}; /status, /rq and /metrics open with what ./run.sh status prints",
            "set OPERATOR_PASSWORD, or WEB_ADDRESS=127.0.0.1:8025 behind a proxy",
        )
    return ok(f"web pages on {address}")


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_web(address: str, seconds: float = 2.0) -> Finding:
    """Look whether something listens where the web pages are to be."""
    if address == "off":
        return ok("web pages are off")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except OSError as problem:
        text = problem.strerror or type(problem).__name__
        return error(
            f"nothing answers on {address}: {text}",
            "see data/log/web.log; WEB_ADDRESS may be taken",
        )
    return ok(f"web pages answer on {address}")


def check_sockets(folder: Path) -> Finding:
    """Look whether the servers' sockets are closed to others: who reaches them needs no password."""
    try:
        mode = folder.stat().st_mode & 0o777
    except OSError as problem:
        return error(
            f"sockets: {folder}: {problem.strerror}",
            "the service makes them when it starts: ./run.sh stop, then ./run.sh",
        )
    if mode & 0o077:
        return error(f"sockets: others can enter {folder} (mode {mode:04o})", f"chmod 700 {folder}")
    return ok(f"sockets are closed to others ({folder})")
