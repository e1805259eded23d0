"""Alphabets of unlabelled single-byte text."""

import pytest

from mrilu.mail.text.alphabets import guess_alphabet, guess_latin, guess_thai
from mrilu.mail.text.charset import decode_text

SENTENCES = {
    "ru": "Привет всем! Кто-нибудь знает, как собрать этот пакет на новой системе? Спасибо.",
    "uk": "Привіт усім! Чи хтось знає, як зібрати цей пакунок? Дякую, її їжак.",
    "el": "Γεια σας, ξέρει κανείς πώς να εγκαταστήσω αυτό το πακέτο; Ευχαριστώ πολύ.",
    "he": "שלום לכולם, האם מישהו יודע איך להתקין את החבילה הזאת? תודה רבה.",
    "ar": "مرحبا بالجميع، هل يعرف أحد كيف يمكن تثبيت هذه الحزمة؟ شكرا جزيلا.",
    "th": "สวัสดีครับ มีใครรู้วิธีติดตั้งแพ็กเกจนี้บนระบบใหม่บ้างครับ",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy. Nevíte někdo, jak přeložit tento balík?",
    "pl": "Cześć wszystkim, czy ktoś wie, jak zainstalować? Zażółć gęślą jaźń",
    "tr": "Merhaba, bu paketi nasıl kuracağımı bilen var mı? Şöyle güzel bir iş, teşekkürler",
}


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        ("ru", "koi8-r"),
        ("ru", "cp1251"),
        ("ru", "iso8859-5"),
        ("ru", "cp866"),
        ("uk", "koi8-u"),
        ("uk", "cp1251"),
        ("el", "iso8859-7"),
        ("el", "cp1253"),
        ("he", "cp1255"),
        ("he", "iso8859-8"),
        ("ar", "cp1256"),
        ("ar", "iso8859-6"),
        ("th", "cp874"),
        ("cs", "iso8859-2"),
        ("cs", "cp1250"),
        ("pl", "iso8859-2"),
        ("tr", "cp1254"),
    ],
)
@pytest.mark.parametrize("label", ["", "us-ascii", "iso-8859-1", "utf-8"])
def test_a_sentence_shows_its_charset(language: str, encoding: str, label: str) -> None:
    data = SENTENCES[language].encode(encoding)
    assert decode_text(data, label)[0] == data.decode(encoding)


@pytest.mark.parametrize(
    "text",
    [
        "Übergrößenträger: äöüß ÄÖÜ éèê",
        "fœtus cœur nœud — “déjà”",
        "Þórður sagði að þetta væri mjög gott, já ýmislegt",
        "Blåbærsyltetøy på rødgrød med fløde",
        "x·y ±3 m² «mot» 5³ ½½½",
        "\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0 text",
        "São João não irá à praça amanhã, põe já o pão",
        "————————————",
        "°°°°°°°°°°°",
        "ça c'était très intéressant, où ?",
    ],
)
def test_western_text_is_left_alone(text: str) -> None:
    data = text.encode("cp1252")
    assert guess_alphabet(data) == guess_thai(data) == guess_latin(data) == ""


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("大家好，有人知道怎么安装", "gb2312"),
        ("안녕하세요. 새 시스템에 이 패키지를", "euc_kr"),
        ("こんにちは。このパッケージの", "euc_jp"),
        ("大家好，有人知道怎麼安裝", "big5"),
    ],
)
def test_east_asian_text_is_no_alphabet(text: str, encoding: str) -> None:
    assert guess_alphabet(text.encode(encoding)) == ""


def test_a_few_words_of_another_script_in_english_are_told() -> None:
    data = (
        b"Hello, how do I print "
        + "это название графика".encode("koi8-r")
        + b" as the title of a plot?"
    )
    assert "это название графика" in decode_text(data)[0]
