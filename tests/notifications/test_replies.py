import pytest

from mrilu.notifications.smtp import Reply, Verdict, readable, verdict


@pytest.mark.parametrize(
    ("stage", "code", "text", "judged"),
    [
        ("mail", 451, "4.3.0 later", Verdict.RETRY),
        ("rcpt", 450, "4.2.1 greylisted", Verdict.RETRY),
        ("rcpt", 452, "4.2.2 mailbox full", Verdict.RETRY),
        ("data", 451, "4.7.1 slow down", Verdict.RETRY),
        ("rcpt", 550, "5.1.1 no such user", Verdict.BOUNCE),
        ("rcpt", 550, "no such user", Verdict.BOUNCE),
        ("rcpt", 553, "5.1.3 bad address", Verdict.BOUNCE),
        ("rcpt", 550, "5.2.1 mailbox disabled", Verdict.BOUNCE),
        ("rcpt", 556, "5.1.10 domain takes no mail", Verdict.BOUNCE),
        ("rcpt", 552, "5.2.2 mailbox full", Verdict.DEAD),
        ("rcpt", 552, "over quota", Verdict.DEAD),
        ("rcpt", 501, "5.5.4 syntax", Verdict.DEAD),
        ("data", 552, "5.3.4 too large", Verdict.DEAD),
        ("data", 554, "5.6.0 content", Verdict.DEAD),
        ("data", 550, "no", Verdict.DEAD),
        ("rcpt", 554, "5.7.1 relaying denied", Verdict.POLICY),
        ("data", 550, "5.7.26 unauthenticated", Verdict.POLICY),
        ("mail", 550, "5.1.8 sender", Verdict.REFUSED),
        ("mail", 530, "5.7.0 authentication required", Verdict.REFUSED),
        ("rcpt", 530, "5.7.0 log in first", Verdict.REFUSED),
    ],
)
def test_a_reply_is_about_the_mail_the_address_or_us(stage, code, text, judged):
    assert verdict(Reply(stage, code, text)) is judged


def test_a_reply_is_kept_as_one_clean_line():
    assert readable(b"5.1.1 no\nsuch\x00user \x1b[31m\xff") == "5.1.1 no such user [31m\ufffd"
    assert len(str(Reply("rcpt", 550, "x" * 9999))) == 500
