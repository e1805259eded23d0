"""A real SMTP server in a thread of the test, which answers as it is told and keeps what it accepted."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

HANG = "hang"
DROP = "drop"  # close the connection without a word
KEEP_AND_DROP = "keep and drop"  # accept, and close before the yes is sent
Script = Callable[[str, str], str | None]


@dataclass
class Accepted:
    """A mail that the server said (or meant to say) yes to."""

    sender: str
    recipient: str
    raw: bytes
    at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=default)  # type: ignore[return-value]

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])


def by_recipient(**stages: dict[str, str]) -> Script:
    """Answer stage "mail", "rcpt" or "data" by recipient: by_recipient(rcpt={"a@x.org": "550 5.1.1 no"})."""
    return lambda stage, recipient: stages.get(stage, {}).get(recipient)


class PostOffice:
    """`script(stage, recipient)` gives the reply, HANG, DROP, KEEP_AND_DROP, or None for yes.

    The recipient is "" at "mail". `password` asks for a login, `starttls` offers or requires TLS.
    """

    def __init__(
        self,
        script: Script = lambda stage, recipient: None,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        password: str | None = None,
        pipelining: bool = False,
        smtputf8: bool = True,
    ) -> None:
        self.script = script
        self.accepted: list[Accepted] = []
        self.protocols: list[SMTP] = []
        self.connections = 0
        self.envelopes = 0
        self.pipelining = pipelining
        self.options: dict[str, Any] = {
            "timeout": 60,
            "tls_context": starttls,
            "enable_SMTPUTF8": smtputf8,
        }
        if password is not None:
            self.options |= {"authenticator": self._login(password), "auth_required": True}
            self.options["auth_require_tls"] = bool(starttls)
        self.tls = tls
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> PostOffice:
        self.thread.start()
        assert self.ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.closing.set)
        self.thread.join(10)
        assert not self.thread.is_alive()

    @property
    def recipients(self) -> Counter[str]:
        """How often a mail to each recipient was accepted."""
        return Counter(one.recipient for one in self.accepted)

    def _login(self, password: str) -> Callable[..., AuthResult]:
        def check(
            server: Any, session: Any, envelope: Any, mechanism: str, data: Any
        ) -> AuthResult:
            return AuthResult(success=data.password == password.encode(), handled=False)

        return check

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._until_closed())
        self.loop.close()

    async def _until_closed(self) -> None:
        self.closing = asyncio.Event()
        server = await self.loop.create_server(self._protocol, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = server.sockets[0].getsockname()[1]
        self.ready.set()
        await self.closing.wait()
        server.close()
        for protocol in self.protocols:
            # Python 3.11.2 (Debian 12) raises AttributeError for a TLS transport that is closed already
            with contextlib.suppress(AttributeError):
                protocol.transport.abort()  # type: ignore[union-attr]
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _protocol(self) -> SMTP:
        self.connections += 1
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # that a login without TLS is not a good idea
            self.protocols.append(
                SMTP(self, hostname="office.test", loop=self.loop, **self.options)
            )
        return self.protocols[-1]

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        if self.pipelining:
            responses.insert(1, "250-PIPELINING")
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.envelopes += 1
        reply = await self._answer(server, "mail", "")
        if reply.startswith("250"):
            envelope.mail_from = address
        return reply

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self._answer(server, "rcpt", address)
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        recipient, content = envelope.rcpt_tos[0], envelope.content
        assert isinstance(content, bytes)
        mail = Accepted(envelope.mail_from or "", recipient, content)
        if self.script("data", recipient) == KEEP_AND_DROP:
            self.accepted.append(mail)
        reply = await self._answer(server, "data", recipient)
        if reply.startswith("250"):
            self.accepted.append(mail)
        return reply

    async def _answer(self, server: SMTP, stage: str, recipient: str) -> str:
        told = self.script(stage, recipient)
        if told == HANG:
            await self.closing.wait()
        if told in (DROP, KEEP_AND_DROP):
            server.transport.abort()  # type: ignore[union-attr]
        return (
            "250 2.0.0 OK"
            if told is None
            else told
            if told[0].isdigit()
            else "451 4.0.0 never seen"
        )
