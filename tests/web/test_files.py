"""Attachments, HTML letters and raw mails, read out of the files of a Maildir."""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import hashlib
import lzma
import os
import random
import re
import tracemalloc
from collections.abc import Callable
from contextlib import closing, suppress
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote

import pytest
from backports import zstd
from flask.testing import FlaskClient

from jobs.import_messages import import_messages
from models import Location, Message
from mrilu.mail.permalinks import hash_of
from mrilu.mail.text.transfer import decode_base64
from mrilu.web.downloads import lean_copy
from mrilu.web.downloads.raw_masking import masked_mail
from mrilu.web.sending import safe_name, safe_type
from tests.factories import deliver, mail, make_maildir, register
from tests.web.conftest import LIST, Ask, hide

Give = Callable[[bytes], str]
DATA = random.Random(1).randbytes(70_000)  # noqa: S311 - any bytes


@pytest.fixture
def root(tmp_path: Path, database: object) -> Path:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    return root


@pytest.fixture
def give(root: Path, pages: FlaskClient) -> Give:
    """Deliver and import a mail; return its path."""

    def take(raw: bytes) -> str:
        path = deliver(root, raw)
        assert import_messages("test", [path])["imported"] == 1
        return path

    return take


def letter(name: str = "one@x", subject: str = "a file") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["Date"] = "Ann <ann@people.example>", "Mon, 06 Oct 2025 09:12:44 +0200"
    made["Subject"], made["Message-ID"] = subject, f"<{name}>"
    made["List-Id"], made["To"] = f"<{LIST}>", "bob@people.example"
    made.set_content("here it is\n")
    return made


def with_file(data: bytes, filename: str = "tea.bin", kind: str = "application/zip") -> bytes:
    made = letter()
    main, sub = kind.split("/")
    made.add_attachment(data, maintype=main, subtype=sub, filename=filename)
    return made.as_bytes()


def links(client: FlaskClient, name: str = "one@x") -> list[str]:
    page = client.get(f"/m/{hash_of(name)}/")
    assert page.status_code == 200
    return re.findall(r'href="(/m/\w+/files/[^"]+)"', page.text)


def test_a_file_is_what_was_attached_whole_in_part_and_not_twice(
    give: Give, pages: FlaskClient
) -> None:
    give(with_file(DATA))
    (place,) = links(pages)
    assert place == f"/m/{hash_of('one@x')}/files/3/tea.bin"
    with closing(pages.get(place)) as whole:
        assert whole.data == DATA and whole.content_type == "application/zip"
        assert whole.headers["Content-Disposition"] == "attachment; filename=tea.bin"
        assert whole.headers["X-Content-Type-Options"] == "nosniff"
        tag = whole.headers["ETag"]
    assert tag == f'"{hashlib.sha256(DATA).hexdigest()}"'
    assert pages.get(place, headers={"If-None-Match": tag}).status_code == 304
    with closing(pages.get(place, headers={"Range": "bytes=100-199"})) as part:
        assert (part.status_code, part.data) == (206, DATA[100:200])
        assert part.headers["Content-Range"] == f"bytes 100-199/{len(DATA)}"
    with closing(pages.get(place, headers={"Range": "bytes=5-", "If-Range": '"other"'})) as rest:
        assert (rest.status_code, rest.data) == (200, DATA)
    assert pages.get(place, headers={"Range": "bytes=9999999-"}).status_code == 416
    with closing(pages.head(place)) as head:
        assert head.content_length == len(DATA) and not head.data
    for other in ("0", "2", "9", "2-3", "x", "3-", "99999999"):
        assert pages.get(place.replace("/3/", f"/{other}/")).status_code == 404


def test_a_file_is_found_where_its_mail_has_moved(
    give: Give, root: Path, pages: FlaskClient
) -> None:
    path = give(with_file(DATA))
    (place,) = links(pages)
    os.rename(root / path, root / f"{path.replace('new/', 'cur/')},S=9:2,FS")
    with closing(pages.get(place)) as found:
        assert found.data == DATA


PACKERS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("name", PACKERS)
def test_compressed_mail_is_unpacked(give: Give, pages: FlaskClient, name: str) -> None:
    packer = PACKERS[name]
    raw = with_file(DATA * 20)
    half = len(raw) // 2
    give(packer(raw[:half]) + packer(raw[half:]))
    with closing(pages.get(links(pages)[0])) as found:
        assert found.data == DATA * 20


def open_files() -> set[Path]:
    """Return what this process has open, by name."""
    found = set()
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add(one.readlink())
    return found


def test_what_lies_in_the_files_place_is_not_given_out(
    give: Give, root: Path, tmp_path: Path, pages: FlaskClient
) -> None:
    raw = with_file(DATA)
    path = root / give(raw)
    (place,) = links(pages)
    outside = tmp_path / "outside"
    outside.write_bytes(raw)

    def refused(status: int = 503) -> str:
        answer = pages.get(place)
        assert answer.status_code == status
        return answer.text

    path.unlink()
    assert "cannot be read on this machine" in refused()
    path.symlink_to(outside)
    refused()
    path.unlink()
    os.mkfifo(path)
    refused()
    path.unlink()
    path.mkdir()
    refused()
    assert path not in open_files()
    path.rmdir()
    path.write_bytes(mail("<other@x>"))
    assert "holds something else" in refused()
    path.write_bytes(with_file(DATA[::-1]))
    assert "holds something else" in refused()
    path.write_bytes(raw)
    os.rename(root / "new", tmp_path / "away")
    (root / "new").symlink_to(tmp_path / "away")
    refused()
    Location.update(gone_at=Message.get().imported_at).execute()
    assert "not in its Maildir any more" in refused(404)


def test_closed_and_withheld_mail_gives_nothing(
    give: Give, pages: FlaskClient, open_pages: Ask
) -> None:
    made = letter()
    made.add_alternative("<p>coi</p>", subtype="html")
    made.add_attachment(DATA, maintype="application", subtype="zip", filename="tea.bin")
    give(made.as_bytes())
    one = hash_of("one@x")
    places = [*links(pages), f"/m/{one}/html", f"/m/{one}/raw"]
    closed = open_pages(private_lists=(LIST,))
    assert [closed.get(place).status_code for place in places] == [404] * 3
    hide(one)
    assert [pages.get(place).status_code for place in places] == [410] * 3


def test_attached_mails_can_be_had_singly_and_are_masked(
    give: Give, pages: FlaskClient, open_pages: Ask
) -> None:
    inner = letter("inner@ids.example", "within")
    inner.add_attachment(DATA, maintype="application", subtype="zip", filename="deep.zip")
    made = letter()
    made.add_attachment(inner)
    give(made.as_bytes())
    nested, deep = links(pages)
    assert nested.endswith("/within.eml")
    with closing(pages.get(nested)) as found:
        assert found.content_type == "message/rfc822"
        assert b"people.example" not in found.data and b"<inner@ids.example>" in found.data
    with closing(pages.get(deep)) as found:
        assert found.data == DATA
    with closing(open_pages(show_addresses=True).get(nested)) as found:
        assert b"ann@people.example" in found.data


def test_files_written_into_a_text_can_be_had(give: Give, pages: FlaskClient) -> None:
    lines = b"".join(binascii.b2a_uu(DATA[n : n + 45]) for n in range(0, 4500, 45))
    give(mail("<one@x>", body="see\n\nbegin 644 tea.bin\n" + lines.decode() + "`\nend\n"))
    with closing(pages.get(links(pages)[0])) as found:
        assert found.data == DATA[:4500]


def test_broken_base64_with_a_footer_is_read_as_at_the_import(
    give: Give, pages: FlaskClient
) -> None:
    coded = base64.encodebytes(DATA).decode()
    raw = (
        "From: a@x\nDate: Mon, 06 Oct 2025 09:12:44 +0200\nSubject: s\nMessage-ID: <one@x>\nMIME-Version: 1.0\n"
        'Content-Type: application/zip; name="a.zip"\nContent-Transfer-Encoding: base64\n\n'
        f"{coded}\n-- \n_______________________________________________\ntea mailing list\n"
    )
    give(raw.encode())
    stated = Message.get().parts["sha256"]
    with closing(pages.get(links(pages)[0])) as found:
        assert hashlib.sha256(found.data).hexdigest() == stated and found.data == DATA


@pytest.mark.parametrize(
    ("name", "saved"),
    [("../../etc/passwd", "passwd"), ("a\r\nSet-Cookie: x=1.txt", None), ("\u202egpj.exe", "gpj.exe"),
     ("ünï.pdf", "ünï.pdf"), ("x" * 300 + ".tar", "x" * 176 + ".tar"), ("ann@people.example.txt", "ann@….txt"),
     ("..", None), ("\x00", None)]
)  # fmt: skip
def test_hostile_names_do_no_harm(
    give: Give, pages: FlaskClient, name: str, saved: str | None
) -> None:
    coded = base64.b64encode(name.encode()).decode()
    raw = with_file(b"PK", "NAME").replace(
        b'filename="NAME"', f'filename="=?utf-8?b?{coded}?="'.encode()
    )
    give(raw)
    places = links(pages)
    with closing(pages.get(places[0])) as answer:
        told = answer.headers["Content-Disposition"]
    assert (
        answer.status_code == 200
        and "Set-Cookie" not in answer.headers
        and "people.example" not in told
    )
    found = unquote(told.partition("filename*=UTF-8''")[2]) or told.partition("filename=")[2].strip(
        '"'
    )
    assert not re.search(r"[/\\\r\n\u202e\x00]", found) and 0 < len(found.encode()) <= 180
    if saved and "@" not in saved:
        assert found == saved


def test_browsers_are_given_nothing_that_they_run() -> None:
    for kind in ("text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/javascript",
                 "text/css", "multipart/mixed", "application/x-shockwave-flash", "text/html; x", "", "a"):  # fmt: skip
        assert safe_type(kind) == "application/octet-stream"
    for kind in ("image/png", "application/pdf", "text/plain", "message/rfc822", "audio/ogg"):
        assert safe_type(kind) == kind
    assert safe_name(" .. ", "part-1.bin") == "part-1.bin"


def test_a_large_attachment_takes_a_bounded_part_of_memory(give: Give, pages: FlaskClient) -> None:
    data = random.Random(2).randbytes(12 * 1024 * 1024)  # noqa: S311
    give(with_file(data))
    (place,) = links(pages)
    tracemalloc.start()
    try:
        with closing(pages.get(place, headers={"Range": "bytes=-5"})) as found:
            assert found.data == data[-5:]
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_lean_copy_has_all_of_the_mail(tmp_path: Path) -> None:
    for raw in (
        with_file(DATA),
        with_file(DATA).replace(b"\n", b"\r\n"),
        with_file(DATA) * 3,
        b"",
        b"x",
    ):
        path = tmp_path / "mail"
        path.write_bytes(raw)
        with path.open("rb") as file:
            made = lean_copy.lean_copy(file, shortest=1000)
            assert b"".join(made.pieces(made.raw, file)) == raw
            assert len(made.raw) < 4000


def test_the_raw_mail_is_masked_but_its_ids_are_not(
    give: Give, pages: FlaskClient, open_pages: Ask
) -> None:
    coded = base64.encodebytes(b"ask carol@people.example\n" * 9).decode()
    head = (
        "Return-Path: <tea-bounces+dan=people.example@lists.example>\n"
        "From: =?utf-8?b?" + base64.b64encode(b"eve@people.example").decode() + "?= <a@people.example>\n"
        "To: =?utf-8?q?x=40people.example?=\n"
        "Date: Mon, 06 Oct 2025 09:12:44 +0200\nMessage-ID:\n <one@ids.example>\n"
        "References: <a@ids.example>\n <b@ids.example>\nSubject: hi ann@people.example\n"
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
        "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nwrite bob=40people.example\n--b\n"
        f"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n{coded}\n--b--\n"
    )  # fmt: skip
    give(head.encode())
    place = f"/m/{hash_of('one@ids.example')}/raw"
    with closing(pages.get(place)) as found:
        text = found.text
        assert found.content_type == "text/plain; charset=utf-8"
    decoded = b"".join(
        base64.b64decode(one) for one in re.findall(r"^[A-Za-z0-9+/=]{8,}$", text, re.M)
    )
    assert b"ask carol@" in decoded and "people.example" not in text + decoded.decode(
        "utf-8", "replace"
    )
    assert "eve" not in text and all(f"<{one}@ids.example>" in text for one in ("one", "a", "b"))
    with closing(open_pages(show_addresses=True).get(place)) as found:
        assert found.data == head.encode()
    with closing(pages.get(place, headers={"Range": "bytes=0-6"})) as part:
        assert (part.status_code, part.data) == (206, b"Return-")


def test_a_mail_program_gets_the_whole_mail_where_addresses_are_shown(
    give: Give, root: Path, pages: FlaskClient, open_pages: Ask
) -> None:
    raw = with_file(DATA)
    path = give(raw)
    place = f"/m/{hash_of('one@x')}/message.eml"
    operators = open_pages(show_addresses=True)
    with closing(operators.get(place)) as found:
        assert found.data == raw and found.content_type == "message/rfc822"
    assert b"people.example" not in pages.get(place).data
    (root / path).unlink()
    assert b"here it is" in operators.get(place).data


@pytest.mark.parametrize("before", ["YQ==\n", "YQ==", "YWI=\n\n", "Y\nW\nI\n="])
def test_an_address_in_broken_base64_is_masked_as_on_its_page(before: str) -> None:
    body = before + base64.encodebytes(b"ask carol@people.example\n" * 9).decode()
    assert b"carol@people" in decode_base64(body.encode())[0]
    head = "Content-Transfer-Encoding: base64\n\n"
    shown = b"".join(masked_mail(f"{head}{body}".encode().splitlines(keepends=True)))
    read = decode_base64(shown.removeprefix(head.encode()))[0]
    assert b"ask carol@" in read and b"people.example" not in read
