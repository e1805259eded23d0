"""What lists and sites put below a mail is not its author's."""

from __future__ import annotations

import pytest

from mrilu.mail.own_words.quotes import own_spans

WORDS = "Dear all,\n\nnew tea."
FOOTERS = [
    "—\nReply to this email directly, view it on GitHub, or unsubscribe.\n"
    "You are receiving this because you are subscribed.",
    "—\nReply to this email directly, view it on GitHub<https://example.org/1>, or unsubscribe<https://example.org/2>.\n"
    "You are receiving this because you authored the thread.Message ID: <a@example.org>",
    "---\nReply to this email directly or view it on GitHub:\nhttps://example.org/1",
    "-- \nReply to this email directly or view it on GitLab: https://example.org/1\n"
    "You're receiving this email because of your account on example.org.",
    "—\nReply to this email directly or view it on GitLab.\nYou're receiving this email because of your account.",
    "#" * 72
    + "\n\nTo unsubscribe from the TEA list, click the following link:\nhttps://example.org/wa?SUBED1=TEA",
    "#" * 72
    + "\n\nUm sich vom TEA-Verteiler abzumelden, klicken Sie hier: https://example.org/\nAbmelden",
    "*" * 40 + "\nTo unsubscribe, mail signoff tea to the list server\n" + "*" * 40,
    '-- \nYou received this message because you are subscribed to the Google Groups "Tea" group.\n'
    "To unsubscribe from this group and stop receiving emails from it, send an email to tea+unsubscribe@example.org.",
    'You received this message because you are subscribed to the Google Groups "Tea" group.\nTo unsubscribe, see x.',
    'Sie erhalten diese Nachricht, weil Sie in Google Groups E-Mails von der Gruppe "Tee" abonniert haben.',
    'Vous recevez ce message, car vous êtes abonné au groupe Google Groupes "Thé".',
    'Has recibido este mensaje porque estás suscrito al grupo "Té" de Grupos de Google.',
    'Вы получили это сообщение, поскольку подписаны на группу "Чай".',
    "您收到此邮件是因为您订阅了 Google 网上论坛上的“茶”群组。",
    "このメールは Google グループのグループ「茶」に登録しているユーザーに送られています。",
    "_______________________________________________\nTea mailing list -- tea@example.org\n"
    "To unsubscribe send an email to tea-leave@example.org",
    "---------------------------------------------------------------------\n"
    "To unsubscribe, e-mail: tea-unsubscribe@example.org\nFor additional commands, e-mail: tea-help@example.org",
    "-=-=-=-=-=-=-=-=-=-=-=-\nGroups.io Links: You receive all messages sent to this group.\n"
    "View/Reply Online (#1): https://example.org/1\n-=-=-=-=-=-=-=-=-=-=-=-",
    "---\n[Visit Topic](https://example.org/t/1) or reply to this email to respond.\n\n"
    "To unsubscribe from these emails, [click here](https://example.org/u).",
    "--\nThis message was sent by Atlassian Jira\n(v8.20.10#820010)",
    "-- \nYou are receiving this mail because:\nYou are on the CC list for the bug.",
    "---\nThis email has been checked for viruses by Avast antivirus software.\nhttps://example.org/avast",
    "To unsubscribe from this list please go to https://example.org/u",
]


def own(text: str) -> str:
    return "\n".join(text[start:end] for start, end in own_spans(text))


@pytest.mark.parametrize("footer", FOOTERS)
def test_a_footer_is_not_own(footer: str) -> None:
    assert own(f"{WORDS}\n\n{footer}\n") == WORDS


@pytest.mark.parametrize(
    "text",
    [
        f"Title\n\n{'#' * 72}\n\nThe story begins here.",
        "To unsubscribe from the list was my idea.\nWhat do you think?",
        "Please unsubscribe me.",
        "—\nand a dash begins this.",
        "How?\n\nReply to this, please.",
        "####\nheading\n####\ntext",
    ],
)
def test_words_that_look_like_it_are_own(text: str) -> None:
    assert own(text) == text


def test_a_notice_far_above_the_end_is_own() -> None:
    text = "They wrote:\n\nYou are receiving this because you asked.\n" + "a line\n" * 30
    assert own(text) == text.strip()
