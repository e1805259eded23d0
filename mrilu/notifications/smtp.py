"""One SMTP session: opened with verified TLS, used for many mails, closed when it breaks; and what replies mean."""

from __future__ import annotations

import contextlib
import logging
import re
import smtplib
import ssl
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

logger = logging.getLogger(__name__)

PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_BREAKS = (smtplib.SMTPServerDisconnected, OSError)  # TimeoutError and ssl.SSLError are OSErrors
_YES = {"mail": (250,), "rcpt": (250, 251, 252), "data": (354,)}
CLOSING = 421  # "service not available, closing transmission channel", at any moment
_ENHANCED = re.compile(r"\A([245])\.(\d{1,3})\.(\d{1,3})\b")
# 530 authentication required, 534, 535, 538 login refused (RFC 4954, 6); 523 and 524 are its older relatives.
_AUTHENTICATION = frozenset((523, 524, 530, 534, 535, 538))
# The mailbox does not exist: 550, 551, 553 of RFC 5321, and 521, 556 of RFC 7504 (a host or domain without mail).
NO_MAILBOX = frozenset((521, 550, 551, 553, 556))


class Verdict(Enum):
    """Try again later, give up the mail, give up the address, leave the recipient alone, or hold all mail."""

    RETRY = "retry"
    DEAD = "dead"
    BOUNCE = "bounce"
    POLICY = "policy"
    REFUSED = "refused"


class Reply(NamedTuple):
    """A reply and what it answered: "mail", "rcpt" or "data"."""

    stage: str
    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.stage.upper()}: {self.code} {self.text}"[:500]


def verdict(reply: Reply) -> Verdict:
    """Judge a reply that is not a yes.

    4xx: later. 5xx to MAIL is about us, as is a request to log in. 5.7.x ("policy") to RCPT or DATA is the recipient's
    or its domain's. Any other 5xx to RCPT is about the recipient: a mailbox that does not exist bounces, a full one
    (5.2.2) does not; after DATA it is about this mail.
    """
    if reply.code < 500:
        return Verdict.RETRY
    subject, detail = _enhanced(reply.text)
    if reply.stage == "mail" or reply.code in _AUTHENTICATION:
        return Verdict.REFUSED
    if subject == 7:
        return Verdict.POLICY
    if reply.stage == "rcpt" and is_gone(reply.code, subject, detail):
        return Verdict.BOUNCE
    return Verdict.DEAD


def is_gone(code: int, subject: int, detail: int) -> bool:
    """Tell whether a mailbox does not exist (any more), by the enhanced status code if there is one (subject >= 0)."""
    if subject < 0:
        return code in NO_MAILBOX
    return subject == 1 or (subject, detail) == (2, 1)


def _enhanced(text: str) -> tuple[int, int]:
    """Return subject and detail of an enhanced status code; (-1, -1) where there is none."""
    match = _ENHANCED.match(text)
    return (int(match[2]), int(match[3])) if match else (-1, -1)


def readable(raw: bytes) -> str:
    """Return a reply's text as one clean line."""
    text = raw.decode("utf-8", "replace")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[
        :400
    ]


class SessionRefused(Exception):
    """The mail server refuses us: its certificate, our login or a policy is wrong."""


class SessionUnavailable(Exception):
    """The mail server does not answer, or not now."""


class SessionBroken(Exception):
    """The session ended in the middle of a mail; `stage` says where."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage.upper()}: {reason}")
        self.stage = stage


class NotAccepted(Exception):
    """The server's reply to one mail was not a yes."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True)
class Server:
    """The mail server of SMTP_URL. `tls`: "at once", "required", "offered" (used when it is) or "never"."""

    host: str
    port: int
    tls: str
    user: str = ""
    password: str = ""
    ca_file: Path | None = None
    timeout: float = 30.0  # seconds for one answer


def server_of(url: str, ca_file: Path | None, timeout: float) -> Server:
    """Return the server that SMTP_URL means: smtp://, smtp+starttls:// or smtps://, ?starttls=required|never."""
    parts = urlsplit(url)
    chosen = parts.query.removeprefix("starttls=") or "offered"
    tls = {"smtps": "at once", "smtp+starttls": "required"}.get(parts.scheme, chosen)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(
        parts.hostname or "",
        parts.port or PORTS[parts.scheme],
        tls,
        user,
        password,
        ca_file,
        timeout,
    )


class Session:
    """An open session. `sent` counts the mails that the server accepted in it."""

    def __init__(self, server: Server, own_name: str) -> None:
        """Connect, verify and log in. `own_name` is the domain that we say hello with.

        Raises SessionRefused or SessionUnavailable, whose messages hold no password.
        """
        self.sent = 0
        context = _context(server)
        try:
            self.smtp = _connect(server, own_name, context)
        except _BREAKS as error:
            raise _judged(server, error) from error
        try:
            _greet(self.smtp, server, context)
        except (SessionRefused, SessionUnavailable):
            self.close()
            raise
        except (smtplib.SMTPException, *_BREAKS) as error:
            self.close()
            raise _judged(server, error) from error
        self.pipelining = self.smtp.has_extn("pipelining")

    @property
    def takes_utf8_addresses(self) -> bool:
        """Tell whether the server takes addresses beyond ASCII (RFC 6531)."""
        return bool(self.smtp.has_extn("smtputf8"))

    def deliver(
        self,
        sender: str,
        recipient: str,
        raw: bytes,
        while_waiting: Callable[[], object] = bool,
        envelope_id: str = "",
    ) -> Reply:
        """Hand one mail over and return its reply; `while_waiting` is called while the server looks at its envelope.

        Not while it takes the mail in: the shorter the time between its reply and our commit, the better.
        Raises NotAccepted or SessionBroken.
        """
        stage = "mail"
        try:
            for stage, code, text in self._envelope(sender, recipient, while_waiting, envelope_id):
                _check(stage, code, text, _YES[stage])
            self.smtp.send(_dotted(raw))
            code, text = self.smtp.getreply()
            _check(stage, code, text, (250,))
        except NotAccepted:
            raise
        except (smtplib.SMTPException, *_BREAKS) as error:
            self.close()
            raise SessionBroken(stage, _reason(error)) from error
        self.sent += 1
        return Reply("data", code, readable(text))

    def _envelope(
        self, sender: str, recipient: str, while_waiting: Callable[[], object], envelope_id: str
    ) -> Sequence[tuple[str, int, bytes]]:
        """Send MAIL, RCPT and DATA; return the replies up to the first that is not a yes.

        At once if the server can (RFC 2920), each after the reply to the one before if it cannot.
        """
        options = "" if recipient.isascii() else " SMTPUTF8 BODY=8BITMIME"
        if options and not self.takes_utf8_addresses:
            raise NotAccepted(
                Reply("rcpt", 550, "5.6.7 the mail server takes no addresses beyond ASCII")
            )
        if envelope_id and self.smtp.has_extn("dsn"):
            options += f" RET=HDRS ENVID={envelope_id}"  # RFC 3461, 4.3 and 4.4
        commands = [
            ("mail", f"MAIL FROM:<{sender}>{options}"),
            ("rcpt", f"RCPT TO:<{recipient}>"),
            ("data", "DATA"),
        ]
        if self.pipelining:
            return self._pipelined(commands, while_waiting)
        replies = []
        for stage, command in commands:
            self.smtp.send(f"{command}\r\n".encode())
            if stage == "data":
                while_waiting()
            replies.append((stage, *self.smtp.getreply()))
            if replies[-1][1] not in _YES[stage]:
                self._reset(replies[-1][1])
                break
        return replies

    def _pipelined(
        self, commands: list[tuple[str, str]], while_waiting: Callable[[], object]
    ) -> list[tuple[str, int, bytes]]:
        self.smtp.send("".join(f"{command}\r\n" for _, command in commands).encode())
        while_waiting()
        replies = [(stage, *self.smtp.getreply()) for stage, _ in commands]
        good = [code in _YES[stage] for stage, code, _ in replies]
        if all(good):
            return replies
        if good[-1]:
            # DATA may be accepted without a recipient: an empty mail ends it, to a "no" (RFC 2920, 3.1).
            self.smtp.send(b".\r\n")
            self.smtp.getreply()
        first = good.index(False)
        self._reset(replies[first][1])
        return replies[: first + 1]

    def _reset(self, code: int) -> None:
        """Clear what the server knows of the mail that it refused."""
        if code != CLOSING:
            self.smtp.rset()

    def close(self) -> None:
        """End the session; a server that no longer answers does no harm."""
        with contextlib.suppress(smtplib.SMTPException, *_BREAKS):
            if self.smtp.sock is not None:
                self.smtp.sock.settimeout(2.0)
                self.smtp.quit()
        self.smtp.close()


def _check(stage: str, code: int, text: bytes, yes: Collection[int]) -> None:
    if code in yes:
        return
    if code == CLOSING or not 400 <= code < 600:
        raise smtplib.SMTPServerDisconnected(f"{code} {readable(text)}")
    raise NotAccepted(Reply(stage, code, readable(text)))


def _connect(server: Server, own_name: str, context: ssl.SSLContext) -> smtplib.SMTP:
    if server.tls == "at once":
        return smtplib.SMTP_SSL(
            server.host, server.port, own_name, timeout=server.timeout, context=context
        )
    return smtplib.SMTP(server.host, server.port, own_name, timeout=server.timeout)


def _context(server: Server) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    except OSError as error:
        raise SessionRefused(
            f"SMTP_CA_FILE {server.ca_file} cannot be used: {error.strerror or error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _greet(smtp: smtplib.SMTP, server: Server, context: ssl.SSLContext) -> None:
    smtp.ehlo_or_helo_if_needed()
    encrypted = server.tls == "at once"
    if server.tls == "required" or (server.tls == "offered" and smtp.has_extn("starttls")):
        smtp.starttls(context=context)
        smtp.ehlo()
        encrypted = True
    if server.user:
        if not encrypted and server.tls != "never":
            raise SessionRefused(
                "SMTP_URL has a password, but the server offers no STARTTLS: it would go unencrypted"
            )
        smtp.login(server.user, server.password)


def _judged(server: Server, error: Exception) -> SessionRefused | SessionUnavailable:
    """Return what time may cure as SessionUnavailable, what an operator has to fix as SessionRefused."""
    where = f"{server.host}:{server.port}"
    reason = f"{where}: {_reason(error)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return SessionRefused(f"{where}: its certificate is not valid: {error.verify_message}")
    if isinstance(error, smtplib.SMTPAuthenticationError):
        kind = SessionUnavailable if error.smtp_code < 500 else SessionRefused
        return kind(f"{where}: login refused: {error.smtp_code} {_text_of(error.smtp_error)}")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return SessionRefused(reason)
    if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500:
        return SessionRefused(reason)
    return SessionUnavailable(reason)


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text_of(error.smtp_error)}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return readable(str(error).encode(errors="replace")) or type(error).__name__


def _text_of(error: bytes | str) -> str:
    return readable(error if isinstance(error, bytes) else error.encode(errors="replace"))


def _dotted(raw: bytes) -> bytes:
    """Return the mail (with CRLF line ends) as DATA wants it: leading dots doubled, a dot last (RFC 5321, 4.5.2)."""
    body = raw.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body + (b".\r\n" if body.endswith(b"\r\n") else b"\r\n.\r\n")
