"""Header and body of a mail tell each other's charset."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.mail.letters import read

DATE = b"Date: Tue, 9 Nov 1999 18:50:39 +0100\nMessage-ID: <one@example.org>\n"
THANKS = "谢谢"  # valid UTF-8 in GBK, too
LETTER = "请查收附件，谢谢"


def mail(name: bytes, subject: bytes, body: bytes, *lines: bytes) -> tuple[str, str, str]:
    header = b"From: " + name + b" <ann@example.org>\nSubject: " + subject + b"\n" + DATE
    found = read(*lines, body=body, header=header)
    return found.from_name, found.subject, found.body


@pytest.mark.parametrize(
    ("name", "subject", "body"),
    [("Ann", THANKS, LETTER), ("李", THANKS, LETTER), ("Ann", "关于会议的通知", "好的")],
)
def test_an_unlabelled_mail_is_in_one_charset(name: str, subject: str, body: str) -> None:
    assert mail(name.encode("gbk"), subject.encode("gbk"), body.encode("gbk")) == (
        name,
        subject,
        body,
    )


def test_an_encoded_word_tells_the_charset_of_the_body() -> None:
    subject = b"=?gb2312?B?" + b64encode(THANKS.encode("gbk")) + b"?="
    assert mail(b"Ann", subject, "好的".encode("gbk")) == ("Ann", THANKS, "好的")


def test_an_encoded_body_tells_the_charset_of_the_subject() -> None:
    body = b64encode(LETTER.encode("gbk"))
    found = mail(b"Ann", THANKS.encode("gbk"), body, b"Content-Transfer-Encoding: base64")
    assert found[1:] == (THANKS, LETTER)


def test_a_label_that_names_no_alphabet_does_not_stand_in_the_way() -> None:
    line = b"Content-Type: text/plain; charset=us-ascii"
    assert mail(b"Ann", "下载".encode("gbk"), LETTER.encode("gbk"), line)[1:] == ("下载", LETTER)


def test_a_latin_name_stays_latin_beside_another_alphabet() -> None:
    name = "Müller".encode("latin-1")
    assert mail(name, b"x", "Привет, это письмо".encode("koi8-r"))[0] == "Müller"
    assert mail(name, THANKS.encode("gbk"), LETTER.encode("gbk")) == ("Müller", THANKS, LETTER)
    assert mail(name, THANKS.encode(), LETTER.encode("gbk")) == ("Müller", THANKS, LETTER)


def test_an_utf_8_header_above_another_charset_is_read() -> None:
    assert mail(b"Ann", "Grüße".encode(), "Schöne Grüße".encode("latin-1"))[1:] == (
        "Grüße",
        "Schöne Grüße",
    )
    assert mail(b"Ann", "Привет".encode(), "Привет, это письмо".encode("koi8-r"))[1] == "Привет"
