"""An SMTP server that says yes to everything and notes each mail: `python -m bench.mailbox NOTES`; prints its port.

It takes pipelined commands, as Postfix, Exim and sendmail do (RFC 2920). A line of the notes is recipient and
Message-ID; it is there before the sender has its yes.
"""

import asyncio
import os
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """The handler of aiosmtpd's server."""

    def __init__(self, notes: str) -> None:
        self.notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        content = envelope.content
        assert isinstance(content, bytes)
        name = content.partition(b"\r\nMessage-ID: ")[2].partition(b"\r\n")[0]
        os.write(self.notes, b"%s %s\n" % (envelope.rcpt_tos[0].encode(), name))
        return "250 2.0.0 OK"


async def serve(notes: str) -> None:
    """Serve on a free port of the loopback until killed."""
    loop = asyncio.get_running_loop()
    handler = Mailbox(notes)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="mailbox.test", loop=loop), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
