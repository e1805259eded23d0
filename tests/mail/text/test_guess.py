"""Guesses at the charset of unlabelled text."""

import pytest

from mrilu.mail.text.guess import guess_charset


@pytest.mark.parametrize(
    "text",
    [
        "Übergrößenträger: äöüß ÄÖÜ éèê",
        "Ärger Öl Übung Ärmel Ökonom Übel Ähre Öse Äpfel",
        "À côté d'où l'été a été gêné",
        "Åsa Åke Ängel Öland Åland",
        "São João coração não é à mão",
        "¿Dónde está? ¡Ahí! ñandú",
        "naïve café",
    ],
)
def test_western_text_is_left_alone(text: str) -> None:
    assert guess_charset(text.encode("cp1252")) == ""


@pytest.mark.parametrize(
    ("text", "encoding", "codec"),
    [
        ("Здравствуйте", "koi8-r", "koi8-u"),
        ("Здравствуйте, друзья!", "cp1251", "cp1251"),
        ("さようなら、またね", "euc_jp", "euc_jp"),
        ("さようなら、またね", "cp932", "cp932"),
        ("大家好，我是新来的", "gb2312", "gb18030"),
        ("여러분 안녕하세요", "cp949", "cp949"),
    ],
)
def test_other_scripts_are_told(text: str, encoding: str, codec: str) -> None:
    assert guess_charset(text.encode(encoding)) == codec


def test_a_character_cut_off_by_the_sample_is_forgiven() -> None:
    assert guess_charset(b"x" + "さようなら".encode("euc_jp") * 5000) == "euc_jp"
