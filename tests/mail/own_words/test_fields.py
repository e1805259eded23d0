"""The fields that Outlook puts above an original, in its languages."""

from __future__ import annotations

import pytest

from mrilu.mail.own_words.fields import begins_original
from mrilu.mail.own_words.languages import LANGUAGES
from mrilu.mail.own_words.quotes import own_spans

BLOCKS = """
    From | Sent | To | Subject
    Von | Gesendet | An | Betreff
    De | Envoyé | À | Objet
    De | Enviado el | Para | Asunto
    De | Enviada em | Para | Assunto
    Da | Inviato | A | Oggetto
    Van | Verzonden | Aan | Onderwerp
    Fra | Sendt | Til | Emne
    Fra | Sendt | Til | Emne
    Från | Skickat | Till | Ämne
    Lähettäjä | Lähetetty | Vastaanottaja | Aihe
    Od | Wysłano | Do | Temat
    Od | Odesláno | Komu | Předmět
    Od | Odoslané | Komu | Predmet
    Feladó | Elküldve | Címzett | Tárgy
    De la | Trimis | Către | Subiect
    От | Изпратено | До | Относно
    От | Отправлено | Кому | Тема
    Від | Надіслано | Кому | Тема
    Από | Στάλθηκε | Προς | Θέμα
    Kimden | Gönderildi | Kime | Konu
    מאת | נשלח | אל | נושא
    من | تم الإرسال | إلى | الموضوع
    از | تاریخ | به | موضوع
    差出人 | 送信日時 | 宛先 | 件名
    发件人 | 发送时间 | 收件人 | 主题
    寄件者 | 寄件日期 | 收件者 | 主旨
    보낸 사람 | 보낸 날짜 | 받는 사람 | 제목
    Šalje | Poslano | Prima | Predmet
    Од | Послато | За | Наслов
    Od | Poslano | Za | Zadeva
    Nuo | Išsiųsta | Kam | Tema
    No | Nosūtīts | Kam | Tēma
    Saatja | Saadetud | Adressaat | Teema
    Từ | Đã gửi | Đến | Chủ đề
    จาก | ส่ง | ถึง | เรื่อง
    Dari | Dikirim | Kepada | Subjek
    Daripada | Dihantar | Kepada | Subjek
    De | Enviat el | Per a | Assumpte
    Frá | Sent | Til | Efni
    Nork | Bidalia | Nori | Gaia
    प्रेषक | भेजा गया | प्रति | विषय
"""
ROWS = [tuple(row.strip().split(" | ")) for row in BLOCKS.strip().split("\n")]


def own(text: str) -> str:
    return "\n".join(text[start:end] for start, end in own_spans(text))


def block(labels: tuple[str, ...], colon: str = ": ", mark: str = "") -> str:
    values = ("Bob <bob@example.org>", "9 November 2021 18:50", "Ann", "Tea")
    return "\n".join(
        f"{mark}{label}{colon.rstrip()}{mark} {value}"
        for label, value in zip(labels, values, strict=True)
    )


@pytest.mark.parametrize("labels", ROWS)
@pytest.mark.parametrize("colon", [": ", "\xa0: ", " : ", "： "])
def test_an_original_below_its_fields_is_not_own(labels: tuple[str, ...], colon: str) -> None:
    assert own(f"Yes.\n\n{block(labels, colon)}\n\nTheir words.\n") == "Yes."


@pytest.mark.parametrize("labels", ROWS)
def test_fields_may_be_bold_and_below_a_rule(labels: tuple[str, ...]) -> None:
    assert own(f"Yes.\n{'_' * 32}\n{block(labels, mark='*')}\n\nTheirs.") == "Yes."
    assert own(f"Yes.\n\n\u200f{block(labels)}\n\nTheirs.") == "Yes."


@pytest.mark.parametrize("labels", ROWS)
def test_two_fields_are_enough_and_one_is_not(labels: tuple[str, ...]) -> None:
    sender, sent, _, subject = block(labels).split("\n")
    assert begins_original(f"{sender}\n{subject}\n{sent}")
    assert not begins_original(f"{sender}\n{sent}\nand so on\nmore")


def test_labels_of_two_languages_make_no_block() -> None:
    text = "De: the letter D\nTil: until\nZadeva: a matter\nwords"
    assert own(text) == text


def test_a_label_may_have_its_value_on_the_next_line() -> None:
    fields = "From:\nBob <bob@example.org>\nTo:\nAnn\nDate:\n15.03.2012\nSubject:\nTea"
    assert own(f"Yes.\n\n{fields}\n\nTheirs.") == "Yes."


def test_each_language_is_one_row() -> None:
    codes = [language.code for language in LANGUAGES]
    assert len(codes) == len(set(codes)) >= 40
    assert all(language.wrote or language.sender for language in LANGUAGES)
