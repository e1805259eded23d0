from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from mrilu.notifications.smtp import (
    NotAccepted,
    Reply,
    Server,
    Session,
    SessionBroken,
    SessionRefused,
    SessionUnavailable,
    server_of,
)
from tests.notifications.postoffice import DROP, HANG, KEEP_AND_DROP, PostOffice, by_recipient

RAW = b"Subject: coi\r\n\r\n.dot\r\n..\r\n"


_opened: list[Session] = []


@pytest.fixture(autouse=True)
def _close_sessions():
    yield
    while _opened:
        _opened.pop().close()


def session_with(office: PostOffice, tls: str = "never", **facts) -> Session:
    _opened.append(
        Session(Server("127.0.0.1", office.port, tls, timeout=0.5, **facts), "archive.example")
    )
    return _opened[-1]


def deliver(session: Session, recipient: str = "a@x.org", raw: bytes = RAW) -> Reply:
    return session.deliver("notify@archive.example", recipient, raw)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", Server("mail.example", 25, "offered")),
        ("smtp://mail.example?starttls=never", Server("mail.example", 25, "never")),
        ("smtp://mail.example/?starttls=required", Server("mail.example", 25, "required")),
        (
            "smtp+starttls://u%40x:p%2Fw@mail.example",
            Server("mail.example", 587, "required", "u@x", "p/w"),
        ),
        ("smtps://u:p@mail.example:4650", Server("mail.example", 4650, "at once", "u", "p")),
    ],
)
def test_the_url_says_how_to_reach_the_server(url, server):
    assert server_of(url, None, 30.0) == server


@pytest.mark.parametrize("pipelining", [False, True])
def test_many_mails_go_over_one_connection_and_dots_survive(pipelining):
    with PostOffice(pipelining=pipelining) as office:
        session = session_with(office)
        assert session.pipelining is pipelining
        for number in range(5):
            assert deliver(session, f"{number}@x.org") == Reply("data", 250, "2.0.0 OK")
        session.close()
        assert office.connections == 1 and len(office.accepted) == 5
        assert office.accepted[0].raw == RAW


@pytest.mark.parametrize("pipelining", [False, True])
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("answer", ["450 4.0.0 later", "550 5.0.0 never"])
def test_a_no_at_any_stage_leaves_the_session_usable(pipelining, stage, answer):
    told = {"bad": answer}
    with PostOffice(
        lambda at, recipient: told.get("bad") if at == stage else None, pipelining=pipelining
    ) as office:
        session = session_with(office)
        with pytest.raises(NotAccepted) as caught:
            deliver(session)
        assert caught.value.reply == Reply(stage, int(answer[:3]), answer[4:])
        told.clear()
        assert deliver(session, "b@x.org").code == 250
        session.close()
        assert office.connections == 1 and list(office.recipients) == ["b@x.org"]


@pytest.mark.parametrize("pipelining", [False, True])
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("fault", [HANG, DROP, "421 4.3.0 closing"])
def test_a_server_that_hangs_drops_or_closes_breaks_the_session(pipelining, stage, fault):
    with PostOffice(
        lambda at, recipient: fault if at == stage else None, pipelining=pipelining
    ) as office:
        session = session_with(office)
        with pytest.raises(SessionBroken):
            deliver(session)
        assert not office.accepted and not session.sent


def test_a_yes_that_is_lost_after_data_is_a_broken_session():
    with PostOffice(by_recipient(data={"a@x.org": KEEP_AND_DROP})) as office:
        with pytest.raises(SessionBroken) as caught:
            deliver(session_with(office))
        assert caught.value.stage == "data" and len(office.accepted) == 1


@pytest.mark.parametrize("tls", ["at once", "required", "offered"])
def test_a_certificate_of_the_authority_is_accepted(tls, certified, ca_file):
    context = certified("127.0.0.1")
    kind = {"tls": context} if tls == "at once" else {"starttls": context}
    with PostOffice(**kind) as office:
        session = session_with(office, tls, ca_file=ca_file)
        deliver(session)
        assert isinstance(session.smtp.sock, ssl.SSLSocket)
        session.close()


@pytest.mark.parametrize("tls", ["at once", "required", "offered"])
@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_a_wrong_certificate_is_refused_before_anything_is_said(
    tls, wrong, certified, ca_file, tmp_path
):
    context = certified("other.example" if wrong == "name" else "127.0.0.1")
    if wrong == "authority":
        ca_file = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(ca_file))
    kind = {"tls": context} if tls == "at once" else {"starttls": context}
    with PostOffice(**kind, password="pw") as office:
        with pytest.raises(SessionRefused, match="certificate is not valid"):
            session_with(office, tls, ca_file=ca_file, user="u", password="pw")
        assert not office.envelopes


def test_the_systems_authorities_do_not_know_the_tests(certified):
    with (
        PostOffice(tls=certified("127.0.0.1")) as office,
        pytest.raises(SessionRefused, match="certificate"),
    ):
        session_with(office, "at once")


def test_starttls_that_is_required_but_not_offered_is_refused():
    with PostOffice() as office, pytest.raises(SessionRefused, match="STARTTLS"):
        session_with(office, "required")


def test_a_password_never_goes_unencrypted_by_itself():
    with PostOffice(password="pw") as office:
        with pytest.raises(SessionRefused, match="unencrypted"):
            session_with(office, "offered", user="u", password="pw")
        deliver(session_with(office, "never", user="u", password="pw"))  # asked for


def test_a_wrong_password_is_refused_and_not_told(certified, ca_file):
    with PostOffice(starttls=certified("127.0.0.1"), password="right") as office:
        with pytest.raises(SessionRefused, match="login refused: 535") as caught:
            session_with(office, "required", ca_file=ca_file, user="u", password="wrong-secret")
        assert "wrong-secret" not in str(caught.value)
        deliver(session_with(office, "required", ca_file=ca_file, user="u", password="right"))


def greeting(*lines: bytes) -> int:
    """A server that says these lines to the first client, and then nothing; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as client:
            for line in lines:
                client.sendall(line)
                client.recv(1000)
            client.settimeout(5)
            client.recv(1000)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ((b"554 5.7.1 go away\r\n",), SessionRefused),
        ((b"421 4.3.2 busy\r\n",), SessionUnavailable),
        ((b"",), SessionUnavailable),
        ((b"220 hi\r\n", b"554 5.7.1 no\r\n", b"554 5.7.1 no\r\n"), SessionRefused),
        ((b"\xff\xff\xff\r\n",), SessionUnavailable),
    ],
    ids=["554", "421", "silence", "ehlo 554", "no smtp"],
)
def test_a_greeting_that_is_no_yes(lines, error):
    with pytest.raises(error):
        Session(Server("127.0.0.1", greeting(*lines), "never", timeout=0.5), "archive.example")


def test_a_server_that_is_not_there_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SessionUnavailable, match="refused"):
        Session(Server("127.0.0.1", port, "never", timeout=0.5), "archive.example")
    with pytest.raises(SessionUnavailable):
        Session(Server("nowhere.invalid", 25, "never", timeout=0.5), "archive.example")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_file_that_cannot_be_used_is_named(content, tmp_path: Path):
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(SessionRefused, match=r"SMTP_CA_FILE .*ca\.pem"):
        Session(Server("127.0.0.1", 1, "never", ca_file=file, timeout=0.5), "archive.example")


def test_a_recipient_beyond_ascii_needs_a_server_that_takes_it():
    with PostOffice() as office:
        deliver(session_with(office), "ユーザー@x.org", "Subject: é\r\n\r\n".encode())
        assert list(office.recipients) == ["ユーザー@x.org"]
        office.options["enable_SMTPUTF8"] = False
        session = session_with(office)
        with pytest.raises(NotAccepted, match="beyond ASCII"):
            deliver(session, "ユーザー@x.org")
        deliver(session, "b@x.org")
