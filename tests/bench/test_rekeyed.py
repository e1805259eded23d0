"""The mails that the growth benchmark makes: each copy is another mail, and the first is the mail as it is."""

from bench.rekeyed import fill_maildir, rekeyed
from mrilu.mail.message import Limits
from mrilu.mail.parse import parse_message

MAIL = (
    b"From: Writer <writer@example.org>\nDate: Tue, 09 Nov 1999 18:52:16 +0000\nSubject: one\n"
    b"Message-ID: <one@example.org>\nIn-Reply-To: <two@example.org>\n"
    b"References: <three@example.org>\n <two@example.org>\nList-Id: Talk <talk.example.org>\n\n"
    b"mail to <somebody@example.org>\n"
)


def read(mail: bytes):
    return parse_message(mail, limits=Limits(), file_name="1.host", mtime=0.0)


def test_a_copy_has_keys_lists_and_dates_of_its_own():
    was, now = read(MAIL), read(rekeyed(MAIL, 3))
    assert now.message_id == "one.c3@example.org"
    assert list(now.in_reply_to) == ["two.c3@example.org"]
    assert list(now.references) == ["three.c3@example.org", "two.c3@example.org"]
    assert now.list_id == "talk.example.org.c3"
    assert (was.sent_at - now.sent_at).total_seconds() == 3 * 31 * 3600
    assert now.body == was.body


def test_the_first_copy_is_the_mail_as_it_is():
    assert rekeyed(MAIL, 0) == MAIL


def test_a_date_that_cannot_be_read_stays():
    assert b"Date: soon\n" in rekeyed(MAIL.replace(b"Tue, 09 Nov 1999 18:52:16 +0000", b"soon"), 1)


def test_a_maildir_holds_as_many_mails_as_asked_for(tmp_path):
    leaf = tmp_path / "corpus" / ".talk" / "cur"
    for folder in (leaf, leaf.with_name("new")):
        folder.mkdir(parents=True)
    for number in range(3):
        (leaf / f"{number}.host:2,S").write_bytes(MAIL)
    size = fill_maildir(tmp_path / "corpus", tmp_path / "made", 7)
    made = sorted((tmp_path / "made").glob(".c*-talk/cur/*"))
    assert len(made) == 7
    assert size == sum(path.stat().st_size for path in made)
    assert b"<one.c2@example.org>" in made[-1].read_bytes()
