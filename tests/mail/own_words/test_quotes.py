"""Own words and the words of others."""

import pytest

from mrilu.mail.own_words.quotes import own_spans


def own(text: str) -> str:
    return "\n".join(text[start:end] for start, end in own_spans(text))


def test_quoted_lines_are_not_own() -> None:
    assert own("before\n> quoted\n>> deeper\nafter\n") == "before\nafter"


@pytest.mark.parametrize(
    "attribution",
    [
        "On Tue, 9 Nov 1999, Ann Example wrote:",
        "On Tue, Nov 9, 2021 at 6:50 PM Ann Example\n<ann@example.org> wrote:",
        "Ann Example <ann@example.org> writes:",
        "Am 09.11.1999 um 18:50 schrieb Ann Example:",
        "Am Dienstag, 9. November 1999, 18:50:39 CET schrieb Ann:",
        "Le mar. 9 nov. 1999 à 18:50, Ann a écrit :",
        "El mar, 9 nov 1999 a las 18:50, Ann escribió:",
        "Il giorno mar 9 nov 1999 Ann ha scritto:",
        "Em ter, 9 de nov de 1999, Ann escreveu:",
        "Op di 9 nov. 1999 om 18:50 schreef Ann <a@x.org>:",
        "Den tis 9 nov. 1999 kl 18:50 skrev Ann <a@x.org>:",
        "9 ноября 1999 г. Анна пишет:",
        "2021年11月9日 Ann 写道：",
        "W dniu 9.11.1999 Ann pisze:",
        "Ann wrote:",
        "Quoting Ann Example:",
        "Ann <ann at x.org> wrote regarding tea:",
        "Ann a ?crit :",
        "Ann asks:",
        "In message <1@x>, ann@x.org says:",
        "On Tue, 9 Nov 1999,\nAnn Example of the very long\ncompany name <ann@example.org>\nwrote:",
    ],
)
def test_the_attribution_belongs_to_the_quote(attribution: str) -> None:
    assert own(f"Thanks!\n\n{attribution}\n\n> tea\n\nYes.\n") == "Thanks!\nYes."


def test_a_sentence_that_ends_in_a_colon_is_own() -> None:
    assert (
        own("I do not agree with this point:\n> tea\nNo.") == "I do not agree with this point:\nNo."
    )


def test_the_signature_is_not_own() -> None:
    assert own("Hello\n-- \nAnn\nhttp://example.org\n") == "Hello"


def test_the_line_that_a_telephone_adds_is_not_own() -> None:
    assert own("Hello\n\nSent from my iPhone\n\n> tea?\n") == "Hello"


def test_a_bare_double_dash_near_the_end_is_a_signature() -> None:
    assert own("Hello\n--\nAnn\n") == "Hello"


def test_a_bare_double_dash_in_the_middle_is_text() -> None:
    text = "Hello\n--\n" + "a line of text\n" * 40
    assert own(text) == text.strip()


@pytest.mark.parametrize(
    "rule",
    [
        "-----Original Message-----",
        "-------- Original Message --------",
        "-----Ursprüngliche Nachricht-----",
        "---------- Forwarded message ----------",
        "-----Message d'origine-----",
        "-----Mensaje original-----",
        "________________________________\nFrom: Ann <ann@x.org>\nSent: Tuesday\nTo: Bob\nSubject: tea",
        "From: Ann\nSent: Tuesday\nTo: Bob\nSubject: tea",
        "Von: Ann\nGesendet: Dienstag\nAn: Bob\nBetreff: Tee",
        "De : Ann\nEnvoyé : mardi\nÀ : Bob\nObjet : thé",
        "Begin forwarded message:",
        "*From:* Ann\n*Sent:* Tue\n*To:* Bob",
    ],
)
def test_what_follows_a_forwarding_rule_is_not_own(rule: str) -> None:
    assert own(f"See below.\n\n{rule}\n\ntheir words\n") == "See below."


def test_a_quoted_forward_may_be_answered_in_place() -> None:
    assert (
        own("----- Original Message -----\n> From: Ann\n> tea?\n\nYes.\n\n> milk?\n\nNo.\n")
        == "Yes.\nNo."
    )


def test_the_author_may_go_on_after_a_forwarded_mail() -> None:
    assert (
        own(
            "See:\n\n---- Begin Forwarded Message ----\n\ntheirs\n\n---- End Forwarded Message ----\n\nmine\n"
        )
        == "See:\nmine"
    )


def test_the_footer_of_the_list_is_not_own() -> None:
    assert (
        own(
            "Hello\n\n_______________________________________________\nR-help mailing list\n"
            "https://stat.ethz.ch/mailman/listinfo/r-help\n"
        )
        == "Hello"
    )


def test_a_rule_in_the_text_is_own() -> None:
    text = "Title\n--------------------------\nThe story begins here and goes on."
    assert own(text) == text


def test_a_signed_text_is_own_without_its_armour() -> None:
    text = (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nHello\n-----BEGIN PGP SIGNATURE-----\n\niQA=\n"
        "-----END PGP SIGNATURE-----\n"
    )
    assert own(text) == "Hello"


def test_initials_before_the_quote_mark_are_known() -> None:
    assert own("AE> tea?\nyes") == "yes"


def test_a_bar_quotes_but_a_table_does_not() -> None:
    assert own("| quoted\nmine") == "mine"
    assert own("| a | b |\nmine") == "| a | b |\nmine"


@pytest.mark.parametrize(
    "quoted",
    [
        "    Friedrich> tea?\n    >> deeper\n    >\n    MM> milk?",
        "| > | tea?\n| | milk?",
        "Ann> tea?",
        "|\n| tea?",
        "\t>> tea?",
        '>>>>> "A" == Ann Example <a@x.org> writes:\n  A> tea?',
    ],
)
def test_every_way_of_marking_a_quotation_is_known(quoted: str) -> None:
    assert own(f"before\n{quoted}\nafter") == "before\nafter"


@pytest.mark.parametrize(
    "text", ["    x>5 & y<3", "    if (a->b> c)", "  | a | b |\n  |---|---|", "mysql> select 1"]
)
def test_code_that_holds_the_mark_is_own(text: str) -> None:
    assert own(f"before\n{text}\nafter") == f"before\n{text}\nafter"


@pytest.mark.parametrize(
    "session",
    [
        "SQL> select 1 from dual;",
        "ftp> get x\nftp>",
        "    psql> \\d",
        "Prelude> 1 + 1",
        "C:\\> dir",
        "mysql> select 1;",
        ">>> import os\n>>> os.getcwd()",
        ">>> x = 1\n>>> x",
        "R> x <- rnorm(5)\nR> plot(x)",
    ],
)
def test_what_was_typed_at_a_prompt_is_own(session: str) -> None:
    assert own(f"I ran:\n{session}\nit failed") == f"I ran:\n{session}\nit failed"


@pytest.mark.parametrize(
    "quoted",
    [
        "Joe> tea?",
        "R> I think so",
        "SQL>> deeper",
        ">>> what do you mean",
        ">>> from here on\n>> tea",
        "SQL> a\n> quoted",
        ">>> import os\n>> tea",
    ],
)
def test_a_quotation_is_no_session(quoted: str) -> None:
    assert own(f"before\n{quoted}\nafter") == "before\nafter"


@pytest.mark.parametrize("session", ["SQL> select 1 from dual;", ">>> import os", "R> plot(x)"])
def test_a_session_below_an_attribution_is_quoted(session: str) -> None:
    assert own(f"No.\n\nOn Tue, 9 Nov 1999, Ann wrote:\n{session}\nYes.") == "No.\nYes."


@pytest.mark.parametrize(
    "attribution",
    [
        "On Tue, 9 Nov 1999, Ann wrote:\n\n[...]",
        "On Tue, 9 Nov 1999, Ann wrote:\n<snip>",
        "--- Ann <ann@x.org> wrote:\n\n---------------------------------",
        "2013/8/28 Ann Example <ann@x.org>",
        "la .an. cusku di'e",
        "Ann noted:",
    ],
)
def test_an_attribution_may_end_otherwise_than_in_a_colon(attribution: str) -> None:
    assert own(f"Thanks!\n\n{attribution}\n\n> tea\n\nYes.\n") == "Thanks!\nYes."


def test_a_yahoo_advertisement_is_not_own() -> None:
    assert (
        own(
            "Hello\n\n------------------------ Yahoo! Groups Sponsor --------------------~-->\nBuy!\n"
            "------------------------------------~->\n\nTo unsubscribe, send mail.\n"
        )
        == "Hello"
    )


def test_a_signature_mark_may_end_in_a_hard_blank() -> None:
    assert own("Hello\n--\xa0\nAnn\n") == "Hello"


def test_an_unmarked_original_below_an_attribution_is_not_own() -> None:
    text = "Thanks, it works.\n\nOn Wed, Jul 15, 2020 at 11:52 AM Bob\n<bob@x.org> wrote:\n\nHello,\nplease try this.\n"
    assert own(text) == "Thanks, it works."


def test_an_answer_below_an_unmarked_original_is_kept() -> None:
    text = "On Wed, Jul 15, 2020 Bob wrote:\n\nplease try this.\n\nIt works."
    assert own(text) == text


@pytest.mark.parametrize(
    "rule",
    [
        "-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-",
        "=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=",
        "_._._._._._._._._._._._._._._._",
    ],
)
def test_a_footer_below_a_rule_of_two_signs_is_not_own(rule: str) -> None:
    assert own(f"Hello\n{rule}\ntea mailing list -- Read http://x.org/\n{rule}\n") == "Hello"


def test_a_dash_escaped_signature_of_a_signed_text_is_not_own() -> None:
    assert own("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nHello\n- -- \nAnn\n") == "Hello"


def test_an_escaped_from_is_own() -> None:
    assert own(">From 1974 on we met.\nGood times.") == ">From 1974 on we met.\nGood times."


def test_fields_above_a_quotation_belong_to_it() -> None:
    assert own("Yes.\n\nFrom: Ann <a@x.org>\nDate: Tue, 9 Nov 1999\n\n> tea?\n\nNo.") == "Yes.\nNo."


@pytest.mark.parametrize(
    ("text", "mine"),
    [
        (
            "Hi Bob, see below.\n\n-- \nAnn\n\nOn Tue, 9 Nov 2021 at 18:50, Bob wrote:\n\n> Which tea?\n\n"
            "The green one.\n\n> When?\n\nAt five.\n",
            "Hi Bob, see below.\nThe green one.\nAt five.",
        ),
        (
            "Ja.\n--\nAnn\n\nAm 09.11.2021 um 18:50 schrieb Bob:\n> Tee?\n\nGrün.\n-- \nAnn",
            "Ja.\nGrün.",
        ),
        ("Hi.\n-- \nAnn\n> a saying\nof somebody", "Hi."),
        ("Hi.\n-- \nAnn\n\n-----Original Message-----\nFrom: Bob\n\n> tea\n\ntheirs", "Hi."),
        (
            "Hi.\n-- \nAnn\n\nFrom: Bob\nSent: Tue\nTo: Ann\n\nOn Tue, Cid wrote:\n> tea\n\ntheirs",
            "Hi.",
        ),
    ],
)
def test_answers_below_a_signature_are_own(text: str, mine: str) -> None:
    assert own(text) == mine


@pytest.mark.parametrize(
    "attribution",
    [
        "Dne 9. 11. 2021 v 18:50 Bob napsal(a):",
        "W dniu 09.11.2021 o 18:50, Bob <bob@x.org> pisze:",
        "Den tis 9 nov. 2021 kl 18:50 skrev Bob <bob@x.org>:",
        "În mar., 9 nov. 2021 la 18:50, Bob <bob@x.org> a scris:",
        "Pada tanggal 9 Nov 2021 18:50, Bob <bob@x.org> menulis:",
        "Vào 18:50, 9 thg 11, 2021, Bob <bob@x.org> đã viết:",
        "Bob <bob@x.org>, 9 Kas 2021 Sal, 18:50 tarihinde şunu yazdı:",
        "2021年11月9日(火) 18:50 Bob <bob@x.org>:",
        "2021년 11월 9일 (화) 오후 6:50, Bob <bob@x.org>님이 작성:",
        "2021年11月9日 18:50，Bob <bob@x.org> 写道：",
        "On 9 Nov 2021, at 18:50,\nBob <bob@x.org> wrote:",
    ],
)
def test_an_unmarked_original_is_told_by_its_attribution(attribution: str) -> None:
    assert (
        own(f"My own words are these.\n\n{attribution}\n\nTheir words.\n")
        == "My own words are these."
    )


@pytest.mark.parametrize(
    "rule",
    [
        "---------- Weitergeleitete Nachricht ----------",
        "---------- Przekazana wiadomość ---------",
        "---------- Videresendt melding ----------",
        "---------- 転送メッセージ ----------",
        "------------------ 原始邮件 ------------------",
        "---- 回复的原邮件 ----",
        "-------- Přeposlaná zpráva --------",
        "-------- הודעה מקורית --------",
        "Début du message transféré :",
        "Anfang der weitergeleiteten Nachricht:",
        "Videresendt besked:",
        "以下是转发的邮件：",
        "Начало переадресованного сообщения:",
    ],
)
def test_a_rule_above_a_forwarded_mail_is_known_in_other_languages(rule: str) -> None:
    assert own(f"See below.\n\n{rule}\n\ntheir words\n") == "See below."


def test_offsets_count_characters_from_the_given_start() -> None:
    assert own_spans("é日𝄞\n> q\nz", 10) == [(10, 13), (18, 19)]


def test_empty_text_has_no_spans() -> None:
    assert own_spans("") == own_spans("\n \n") == []
