"""Which parts are read, which are listed."""

import base64
import hashlib

import pytest

from mrilu.mail.message import Limits, ParsedMessage
from mrilu.mail.parse import parse_message
from tests.mail.letters import letter, read

PDF = base64.b64encode(b"%PDF-1.4 binary\xff\x00").rstrip(b"=")
PDF_HASH = hashlib.sha256(b"%PDF-1.4 binary\xff\x00").hexdigest()


def multipart(
    kind: bytes, *parts: bytes, boundary: bytes = b"b", extra: bytes = b""
) -> ParsedMessage:
    delimiter = b"--" + boundary
    body = (
        b"preamble\n"
        + b"".join(delimiter + b"\n" + part + b"\n" for part in parts)
        + delimiter
        + b"--\n"
    )
    return read(
        b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"' + extra, body=body
    )


PLAIN = b"Content-Type: text/plain; charset=utf-8\n\nplain words\n"
HTML = b"Content-Type: text/html\n\n<p>html <b>words</b></p>\n"


def test_the_plain_alternative_is_shown() -> None:
    assert multipart(b"alternative", PLAIN, HTML).body == "plain words"
    assert multipart(b"alternative", HTML, PLAIN).body == "plain words"


@pytest.mark.parametrize(
    "plain", [b"", b"\n  \n", b"Your mail reader does not show HTML.", b"View in browser"]
)
def test_an_empty_or_stub_alternative_gives_way_to_html(plain: bytes) -> None:
    long_html = b"Content-Type: text/html\n\n<p>" + b"the real letter is here " * 20 + b"</p>\n"
    found = multipart(b"alternative", b"Content-Type: text/plain\n\n" + plain, long_html)
    assert found.body.startswith("the real letter")


def test_html_alone_becomes_text() -> None:
    found = read(
        b"Content-Type: text/html; charset=utf-8",
        body="<p>Grüße</p><blockquote>q</blockquote>".encode(),
    )
    assert found.body.startswith("Grüße")
    assert found.own_text == "Grüße"


def test_html_beside_a_plain_footer_is_kept() -> None:
    found = multipart(b"mixed", HTML, b"Content-Type: text/plain\n\nfooter of the list\n")
    assert found.body == "html words\n\nfooter of the list"


def test_an_attachment_is_listed_with_its_hash() -> None:
    found = multipart(
        b"mixed",
        PLAIN,
        b"Content-Type: application/pdf; name=x.pdf\nContent-Transfer-Encoding: base64\n"
        b"Content-Disposition: attachment;\n filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf\n"
        b"Content-ID: <c1@x>\n\n" + PDF,
    )
    assert found.has_attachment
    assert found.parts == {
        "type": "multipart/mixed",
        "parts": [
            {"type": "text/plain", "charset": "utf-8", "size": 11 + 1},
            {
                "type": "application/pdf",
                "encoding": "base64",
                "disposition": "attachment",
                "filename": "Grüße.pdf",
                "content_id": "c1@x",
                "size": 17,
                "sha256": PDF_HASH,
            },
        ],
    }


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'attachment; filename="a b.txt"', "a b.txt"),
        (b"attachment; filename=a b.txt", "a b.txt"),
        (b'attachment; filename*0="long "; filename*1=name.txt', "long name.txt"),
        (
            b"attachment; filename*0*=utf-8''Gr%C3; filename*1*=%BC%C3%9Fe; filename*2=.txt",
            "Grüße.txt",
        ),
        (b"attachment; filename*=iso-8859-1'de'Gr%FC%DFe.txt", "Grüße.txt"),
        (b'attachment; filename="=?utf-8?Q?Gr=C3=BC=C3=9Fe.txt?="', "Grüße.txt"),
        (b'attachment; filename="=?utf-8?B?R3LDvMOfZQ==?=\n =?utf-8?B?LnR4dA==?="', "Grüße.txt"),
        ('attachment; filename="Grüße.txt"'.encode(), "Grüße.txt"),
        (b'attachment; filename="..\\\\..\\\\evil.txt"', "evil.txt"),
        (b'attachment; filename="/etc/passwd"', "passwd"),
        (b'ATTACHMENT; FILENAME="a \\"b\\".txt"', 'a "b".txt'),
        (b"attachment; filename*=''plain.txt; filename=other.txt", "plain.txt"),
        (b"attachment; filename*=UTF-8''=?UTF-8?Q?Rechnung_f%C3%BCr?=", "Rechnung für"),
        (b'attachment filename="x.txt"', "x.txt"),
        (b"attachment size=4 filename*=utf-8''%C3%A9.txt", "é.txt"),
        (b'attachment; filename="a name=b.txt" size=4', "a name=b.txt"),
    ],
)
def test_file_names_are_read(disposition: bytes, name: str) -> None:
    found = multipart(
        b"mixed",
        PLAIN,
        b"Content-Type: text/plain\nContent-Disposition: " + disposition + b"\n\nx\n",
    )
    assert found.parts["parts"][1]["filename"] == name
    assert found.body == "plain words"


def test_a_disposition_that_is_no_word_is_ignored() -> None:
    assert read(b"Content-Disposition: =?utf-8?Q?invalid?=", body=b"words").body == "words"


def test_an_inline_patch_is_read_and_a_named_text_is_attached() -> None:
    found = multipart(
        b"mixed",
        PLAIN,
        b"Content-Type: text/x-patch; name=a.patch\nContent-Disposition: inline\n\n+x\n",
        b"Content-Type: text/plain; name=notes.txt\n\nsecret notes\n",
    )
    assert found.body == "plain words\n\n+x"
    assert found.has_attachment


def test_a_named_text_that_is_shown_is_attached_as_well() -> None:
    found = multipart(
        b"mixed",
        PLAIN,
        b"Content-Type: text/x-patch\nContent-Disposition: inline; filename=a.patch\n\n+x",
    )
    assert (found.body, found.has_attachment) == ("plain words\n\n+x", True)
    assert found.parts["parts"][1] == {
        "type": "text/x-patch",
        "disposition": "inline",
        "filename": "a.patch",
        "size": 2,
        "sha256": hashlib.sha256(b"+x").hexdigest(),
    }


@pytest.mark.parametrize("kind", [b"alternative", b"related"])
def test_a_name_makes_no_attachment_of_the_letter_itself(kind: bytes) -> None:
    named = HTML.replace(b"text/html", b"text/html; name=a.html\nContent-Disposition: inline")
    assert not multipart(kind, named).has_attachment


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("encoded", [True, False])
def test_an_attached_mail_has_size_and_hash(encoded: bool, lean: bool) -> None:
    inner = b"Subject:in\nX-A:  b\n\ninner words\n"
    head = b"Content-Type: message/rfc822\nContent-Disposition: attachment; filename=in.eml\n"
    if encoded:
        part = head + b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(inner)
    else:
        part = head + b"\n" + inner
    raw = letter(b"Content-Type: multipart/mixed; boundary=b", body=b"--b\n" + part + b"\n--b--\n")
    found = parse_message(raw, lean=lean)
    listed = found.parts["parts"][0]
    assert (listed["filename"], listed["size"], listed["sha256"], found.has_attachment) == (
        "in.eml",
        len(inner),
        hashlib.sha256(inner).hexdigest(),
        True,
    )
    assert "inner words" in found.body


def test_a_yencoded_file_is_an_attachment() -> None:
    data = bytes(range(256))
    coded = b"".join(
        b"=" + bytes([(code + 106) % 256])
        if (code + 42) % 256 in (0, 10, 13, 61)
        else bytes([(code + 42) % 256])
        for code in data
    )
    body = (
        b"see\r\n=ybegin line=128 size=256 name=a b.bin\r\n"
        + coded[:129]
        + b"\r\n"
        + coded[129:]
        + b"\r\n=yend size=256 crc32=29058c73\r\nbye\r\n"
    )
    found = read(body=body)
    assert (found.body, found.has_attachment) == ("see\nbye", True)
    assert found.parts["parts"] == [
        {
            "type": "application/octet-stream",
            "encoding": "yenc",
            "disposition": "attachment",
            "filename": "a b.bin",
            "size": 256,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    ]


def test_a_yencoded_file_without_its_end_stays_text() -> None:
    assert (
        read(body="=ybegin line=128 size=5 name=é\nwords\n".encode()).body
        == "=ybegin line=128 size=5 name=é\nwords"
    )


def test_pictures_inside_a_letter_are_no_attachments() -> None:
    found = multipart(
        b"related",
        HTML,
        b"Content-Type: image/png\nContent-ID: <p@x>\n"
        b"Content-Transfer-Encoding: base64\n\n"
        b"aGVsbG8=\n",
    )
    assert (found.body, found.has_attachment) == ("html words", False)
    assert found.parts["parts"][1]["content_id"] == "p@x"


def test_a_nested_mail_is_shown_but_not_own() -> None:
    inner = (
        b"Content-Type: message/rfc822\n\nFrom: Bob <bob@x.org>\nSubject: =?utf-8?Q?=C3=89?=\nMessage-ID: <in@x>\n"
        b"\ninner words\n"
    )
    found = multipart(b"mixed", PLAIN, inner)
    assert "inner words" in found.body
    assert found.own_text == "plain words"
    nested = found.parts["parts"][1]
    assert (nested["subject"], nested["from"], nested["message_id"]) == (
        "É",
        "Bob <bob@x.org>",
        "in@x",
    )


def test_a_nested_mail_in_base64_is_opened() -> None:
    inner = b"Subject: in\nFrom: b@x.org\n\ninner words\n"
    found = multipart(
        b"mixed",
        PLAIN,
        b"Content-Type: message/rfc822\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.b64encode(inner),
    )
    assert "inner words" in found.body


def test_the_mails_of_a_digest_are_own_text() -> None:
    found = multipart(
        b"digest",
        b"\nFrom: a@x.org\nSubject: one\n\nfirst words\n",
        b"\nFrom: b@x.org\n\nsecond words\n",
    )
    assert "first words" in found.own_text and "second words" in found.own_text
    assert [part["type"] for part in found.parts["parts"]] == ["message/rfc822", "message/rfc822"]


def test_a_report_lists_its_status_part() -> None:
    found = multipart(
        b"report",
        PLAIN,
        b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal: y\n",
        b"Content-Type: text/rfc822-headers\n\nSubject: lost\n",
    )
    assert (found.body, found.has_attachment) == ("plain words", False)


def test_signed_and_encrypted_mails_are_marked() -> None:
    signature = (
        b"Content-Type: application/pgp-signature; name=s.asc\n\n-----BEGIN PGP SIGNATURE-----\n"
    )
    signed = multipart(b"signed", PLAIN, signature)
    assert (signed.signed, signed.encrypted, signed.has_attachment) == (True, False, False)
    encrypted = multipart(
        b"encrypted",
        b"Content-Type: application/pgp-encrypted\n\nVersion: 1\n",
        b"Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n",
    )
    assert (encrypted.signed, encrypted.encrypted, encrypted.has_attachment) == (False, True, False)
    cms = read(
        b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
        body=b"MIIB\n",
    )
    assert (cms.encrypted, cms.signed) == (True, False)
    opaque = read(
        b"Content-Type: application/x-pkcs7-mime; smime-type=signed-data; name=smime.p7m",
        body=b"MIIB\n",
    )
    assert (opaque.encrypted, opaque.signed) == (False, True)


def test_inline_armour_is_marked() -> None:
    assert read(body=b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nx\n").signed
    assert read(body=b"-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n").encrypted


def test_uuencoded_files_become_attachments() -> None:
    found = read(body=b"see file\nbegin 644 cat.txt\n#0V%T\n`\nend\nbye\n")
    assert (found.body, found.has_attachment) == ("see file\nbye", True)
    listed = found.parts["parts"][0]
    assert (listed["filename"], listed["size"], listed["encoding"]) == ("cat.txt", 3, "uuencode")


@pytest.mark.parametrize(
    "value",
    [
        b'text/plain; charset="utf-8" format=flowed',
        b"text/plain format=flowed",
        b"text/plain; charset=utf-8 format=flowed; x=y",
    ],
)
def test_a_parameter_behind_a_missing_semicolon_is_read(value: bytes) -> None:
    assert read(b"Content-Type: " + value, body=b"one \ntwo\n").body == "one two"


def test_flowed_text_is_joined() -> None:
    found = read(
        b"Content-Type: text/plain; charset=utf-8; format=flowed", body=b"one \ntwo\n> q \n> r\n"
    )
    assert found.body == "one two\n> q r"
    assert found.own_text == "one two"


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        (b"base64", b"SGVsbG8gd29ybGQ", "Hello world"),
        (b"base64", b"SGVs\n!!bG8g*d29y\nbGQ=\n", "Hello world"),
        (b"base64", b"SGVsbG8=IHdvcmxk", "Hello world"),
        (b"BASE64;", b"SGVsbG8gd29ybGQ=\n", "Hello world"),
        (b"quoted-printable", b"Hello=\n world=20=\n", "Hello world "),
        (b"quoted-printable", b"Hello =ZZ world=", "Hello =ZZ world"),
        (b"Quoted-Printable (comment)", b"Hello=20world", "Hello world"),
        (b"8bits", b"Hello world", "Hello world"),
        (b"plain", b"Hello =20 world", "Hello =20 world"),
        (b"", b"Hello", "Hello"),
        (b"(how) base64", b"SGVsbG8=", "Hello"),
        (b"base64", b"SGVsbG8=\n\nfooter of the list\n", "Hello"),
        (b"base64", b"SGVs\nbG8h\n\n-- \nfooter of the list\n", "Hello!"),
        (
            b"base64",
            b"This is not in base64, but plain text.\n",
            "This is not in base64, but plain text.",
        ),
        (b"quoted-printable", b"Hel=  \nlo=20wor=\t\nld", "Hello world"),
        (b"x-uuencoded", b"begin 644 a.txt\n%2&5L;&\\\n`\nend\n", "Hello"),
    ],
)
def test_transfer_encodings_are_tolerated(encoding: bytes, body: bytes, text: str) -> None:
    assert read(b"Content-Transfer-Encoding: " + encoding, body=body).body == text


def test_a_footer_below_base64_is_not_decoded() -> None:
    body = (
        base64.encodebytes("Grüße an alle".encode())
        + b"_" * 47
        + b"\nlist mailing list\nlist@x.org\n"
    )
    assert (
        read(
            b"Content-Type: text/plain; charset=utf-8",
            b"Content-Transfer-Encoding: base64",
            body=body,
        ).body
        == "Grüße an alle"
    )


@pytest.mark.parametrize(
    "first", [b"From bob Tue Nov  9 18:50:39 1999\n", b">From bob\n", b"X : y\n"]
)
def test_a_nested_mail_with_an_odd_header_is_read(first: bytes) -> None:
    found = multipart(
        b"mixed", PLAIN, b"Content-Type: message/rfc822\n\n" + first + b"Subject: in\n\ninner\n"
    )
    assert found.parts["parts"][1]["subject"] == "in"
    assert found.body.endswith("Subject: in\n\ninner")


def test_a_multipart_encoded_as_a_whole_is_opened() -> None:
    body = base64.encodebytes(b"--b\n\nhello\n--b--\n")
    assert (
        read(
            b"Content-Type: multipart/mixed; boundary=b",
            b"Content-Transfer-Encoding: base64",
            body=body,
        ).body
        == "hello"
    )


def test_a_named_text_that_is_the_whole_mail_is_its_body() -> None:
    assert read(b"Content-Type: text/plain; name=x.txt", body=b"words").body == "words"


def test_broken_base64_is_recorded() -> None:
    assert "bad-base64" in read(b"Content-Transfer-Encoding: base64", body=b"SGVsbG8*gd").defects


def test_a_missing_last_boundary_keeps_the_last_part() -> None:
    found = read(
        b"Content-Type: multipart/mixed; boundary=b", body=b"--b\n\nfirst\n--b\n\nsecond\n"
    )
    assert found.body == "first\n\nsecond"


def test_a_boundary_that_does_not_match_is_found() -> None:
    found = read(
        b"Content-Type: multipart/mixed; boundary=wrong",
        body=b"--right\nContent-Type: text/plain\n\nfirst\n--right\n"
        b"Content-Type: text/html\n\n<p>x</p>\n--right--\n",
    )
    assert found.body == "first\n\nx"
    assert "wrong-boundary" in found.defects


def test_a_missing_boundary_parameter_is_found() -> None:
    found = read(
        b"Content-Type: multipart/mixed",
        body=b"--right\nContent-Type: text/plain\n\nfirst\n--right--\n",
    )
    assert found.body == "first"


def test_a_multipart_without_any_parts_is_text() -> None:
    assert (
        read(b"Content-Type: multipart/mixed; boundary=b", body=b"only words\n").body
        == "only words"
    )


def test_similar_boundaries_are_kept_apart() -> None:
    inner = b"Content-Type: multipart/alternative; boundary=bb\n\n--bb\n\ninner\n--bb--\n"
    assert multipart(b"mixed", inner, PLAIN).body == "inner\n\nplain words"


def test_an_unknown_type_is_an_attachment_and_a_broken_type_is_text() -> None:
    assert read(b"Content-Type: application/x-thing", body=b"x").has_attachment
    assert read(b"Content-Type: text", body=b"words").body == "words"
    assert read(b"Content-Type: ; charset=utf-8", body=b"words").body == "words"


def test_winmail_dat_is_an_attachment() -> None:
    found = multipart(
        b"mixed", PLAIN, b"Content-Type: application/ms-tnef; name=winmail.dat\n\nx\n"
    )
    assert found.has_attachment and found.body == "plain words"


def test_an_appledouble_file_is_listed() -> None:
    inner = (
        b"Content-Type: multipart/appledouble; boundary=aa\n\n--aa\nContent-Type: application/applefile\n\nx\n"
        b"--aa\nContent-Type: image/gif; name=a.gif\n\ny\n--aa--\n"
    )
    assert [
        part["type"] for part in multipart(b"mixed", PLAIN, inner).parts["parts"][1]["parts"]
    ] == ["application/applefile", "image/gif"]


def test_html_names_its_charset_itself() -> None:
    body = (
        '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>Привет</p>'.encode(
            "koi8-r"
        )
    )
    assert read(b"Content-Type: text/html", body=body).body == "Привет"


def test_long_text_is_cut_and_recorded() -> None:
    found = parse_message(letter(body=b"x" * 500), limits=Limits(max_body_chars=100))
    assert (len(found.body), found.defects) == (100, ("text-cut",))


@pytest.mark.parametrize(
    "value",
    [
        b"text/plain charset=koi8-r",
        b"text/plain, charset=koi8-r",
        b"text/plain; charset:koi8-r",
        b"text/plain; (a;b) charset=koi8-r",
        b"text/plain; charset=(c) koi8-r",
        b"text/plain; format=fixed charset=koi8-r",
        b"text/plain; charset=koi8-r (Russian)",
        b'text/plain; charset="koi8-r',
        b"TEXT/PLAIN; CHARSET=KOI8-R",
    ],
)
def test_a_charset_behind_a_wrong_separator_is_found(value: bytes) -> None:
    assert read(b"Content-Type: " + value, body="Чай".encode("koi8-r")).body == "Чай"


@pytest.mark.parametrize(
    "value",
    [
        b"multipart/mixed boundary=b",
        b'multipart/mixed; charset=utf-8 boundary="b"',
        b"multipart/mixed; boundary=b (c)",
        b'multipart/mixed; boundary=b"',
        b"multipart; boundary=b",
        b"multipart/mixed; boundary*0=b",
    ],
)
def test_a_boundary_behind_a_wrong_separator_is_found(value: bytes) -> None:
    found = read(b"Content-Type: " + value, body=b"--b\n\nfirst\n--b\n\nsecond\n--b--\n")
    assert (found.body, found.defects) == ("first\n\nsecond", ())


def test_a_wrong_boundary_of_parts_without_fields_is_found() -> None:
    found = read(
        b"Content-Type: multipart/mixed; boundary=wrong",
        body=b"--b\n\nfirst\n--b\n\nsecond\n--b--\n",
    )
    assert found.body == "first\n\nsecond"


@pytest.mark.parametrize("kind", [b"text/x-amp-html", b"text/watch-html"])
def test_markup_for_small_screens_does_not_replace_the_letter(kind: bytes) -> None:
    assert (
        multipart(b"alternative", b"Content-Type: " + kind + b"\n\n<html>\n", HTML).body
        == "html words"
    )


def test_an_unknown_disposition_does_not_hide_a_text() -> None:
    assert (
        multipart(b"mixed", b"Content-Type: text/plain\nContent-Disposition: none\n\nwords\n").body
        == "words"
    )


def test_the_elder_openpgp_type_is_read() -> None:
    body = (
        b"-----BEGIN PGP SIGNED MESSAGE-----\n\nHello\n-----BEGIN PGP SIGNATURE-----\nx\n"
        b"-----END PGP SIGNATURE-----\n"
    )
    found = read(b"Content-Type: application/pgp; format=text; x-action=sign", body=body)
    assert (found.own_text, found.signed) == ("Hello", True)


def test_richtext_breaks_its_lines_itself() -> None:
    found = read(b"Content-Type: text/richtext", body=b"<bold>one</bold>\nline<nl>\ntwo <lt>x\n")
    assert found.body.strip() == "one line\ntwo <x"


def test_enriched_text_has_a_line_end_less() -> None:
    found = read(b"Content-Type: text/enriched", body=b"<bold>one</bold>\nline\n\ntwo <<x\n")
    assert found.body.strip() == "one line\ntwo <x"


def test_utf_16_without_a_label_is_known_by_its_mark() -> None:
    body = base64.encodebytes("<p>Grüße</p>".encode("utf-16"))
    assert (
        read(b"Content-Type: text/html", b"Content-Transfer-Encoding: base64", body=body).body
        == "Grüße"
    )
