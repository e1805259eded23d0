"""Lines that telephones and programs add are not their owner's words."""

from __future__ import annotations

import pytest

from mrilu.mail.own_words.devices import end_without_notes
from mrilu.mail.own_words.quotes import own_spans

WORDS = "Thanks, I will."
NOTES = """\
Sent from my iPhone
Sent from Outlook for iOS<https://example.org/o>
Sent from Mail<https://go.example.org/fwlink/?LinkId=550986> for Windows 10
Get Outlook for Android<https://aka.ms/ghei36>
Get Outlook for iOS
Sent from Yahoo Mail on Android
Sent via BlackBerry from T-Mobile
Sent from ProtonMail mobile
Sent with Proton Mail secure email.
Sent with [Proton Mail](https://proton.me/) secure email.
Sent from my Android device with K-9 Mail. Please excuse my brevity.
Sent from my Verizon, Samsung Galaxy smartphone
Sent via the Samsung GALAXY S®4, an AT&T 4G LTE smartphone
Sent from Spark
Sent from Nine<http://www.9folders.com/>
Sent from Canary (https://canarymail.io)
Sent from [Front](https://front.com)
Sent from a mobile device
sent from my phone
-- sent from my mobile
Sent using Zoho Mail
Gesendet von meinem iPhone
Von meinem iPhone gesendet
Von meinem Samsung Galaxy Smartphone gesendet.
Gesendet mit der GMX Mail App
Gesendet von Outlook für iOS
Diese Nachricht wurde von meinem Android-Mobiltelefon mit K-9 Mail gesendet.
Gesendet von Mail für Windows
Envoyé de mon iPhone
Envoyé depuis mon téléphone
Envoyé à partir de Outlook pour iOS
Envoyé à partir de mon smartphone Samsung Galaxy.
Obtenez Outlook pour Android
Provenance : Courrier pour Windows 10
Envoyé depuis l'application Mail Orange
Enviado desde mi iPhone
Enviado desde Correo para Windows 10
Obtener Outlook para Android
Enviado do meu iPhone
Enviado do Outlook para iOS
Obter o Outlook para iOS
Enviado via iPhone
Inviato da iPhone
Inviato dal mio iPad
Inviato da Posta per Windows 10
Scarica Outlook per iOS
Ottieni Outlook per Android
Verstuurd vanaf mijn iPhone
Verzonden vanuit Mail voor Windows 10
Outlook voor iOS downloaden
Sendt fra min iPhone
Sendt fra Mail til Windows 10
Hent Outlook til iOS
Få Outlook for Android
Skickat från min iPhone
Skickat från E-post för Windows 10
Hämta Outlook för iOS
Lähetetty iPhonesta
Lähetetty Outlook for iOSista
Hanki Outlook for iOS
Wysłane z iPhone'a
Wysłano z mojego iPhone'a
Wysłane z aplikacji Poczta systemu Windows 10
Pobierz aplikację Outlook dla systemu iOS
Odesláno z iPhonu
Odesláno z mého iPhonu
Odesláno z Pošty pro Windows 10
Získat Outlook pro iOS
Odoslané z môjho iPhonu
Elküldve az iPhone-omról
A(z) Outlook iOS letöltése
Az iPhone készülékemről küldve
Trimis de pe iPhone-ul meu
Obțineți Outlook pentru iOS
Изпратено от моя iPhone
Отправлено с iPhone
Отправлено с моего iPhone
Отправлено из мобильной Яндекс.Почты
Отправлено из Outlook для iOS
Скачать Outlook для iOS
Надіслано з iPhone
Надіслано з пристрою Galaxy
Στάλθηκε από το iPhone μου
Λήψη του Outlook για iOS
iPhone'umdan gönderildi
iPhone'dan gönderildi
Windows 10 için Posta ile gönderildi
iOS için Outlook uygulamasını edinin
נשלח מה-iPhone שלי
‏נשלח מה-iPhone שלי‏
קבל את Outlook עבור iOS
أُرسلت من الـ iPhone
تم الإرسال من هاتفي
الحصول على Outlook لـ iOS
iPhoneから送信
iPhoneから送信されたメール
Windows 10 版のメールから送信
Outlook for iOS を入手する
发自我的 iPhone
发自我的iPhone
从我的 iPhone 发送
从 Windows 版邮件发送
获取 Outlook for iOS
發自我的 iPhone
從我的 iPhone 傳送
取得 Outlook for iOS
나의 iPhone에서 보냄
내 iPhone에서 보냄
iOS용 Outlook 다운로드
Galaxy에서 보냄
Poslano s mog iPhonea
Poslato sa mog iPhone-a
Poslano iz mojega iPhona
Išsiųsta iš mano iPhone
Nosūtīts no mana iPhone
Saadetud minu iPhone'ist
Đã gửi từ iPhone của tôi
ส่งจาก iPhone ของฉัน
Dikirim dari iPhone saya
Enviat des del meu iPhone
ارسال شده از iPhone من
Nire iPhonetik bidalia
Virus-free. www.avast.com
Gesendet von unterwegs
"""
OWN = """\
Sent from the server to the client, which then fails
The packet is sent from here
Sent by the committee last week
I read this on my phone
Get the kettle for tea
Von hier gesendet werden sie nicht
Gesendet von Anna
Lähetetty eilen
See https://example.org/mail
Regards, Ann
获取结果
Envoyé par Jean hier
Best from my iPhone to yours, is it sent?
get versions for common platforms. With Mathsoft using Windows
"""


def own(text: str) -> str:
    return "\n".join(text[start:end] for start, end in own_spans(text))


@pytest.mark.parametrize("note", NOTES.strip().split("\n"))
def test_a_note_is_not_own(note: str) -> None:
    assert own(f"{WORDS}\n\n{note}") == WORDS
    assert own(f"{WORDS}\n\n{note}\n\nOn Tue, 9 Nov 2021, Bob wrote:\n> Tea?\n") == WORDS


@pytest.mark.parametrize("line", OWN.strip().split("\n"))
def test_a_line_of_the_author_stays_own(line: str) -> None:
    assert own(f"{WORDS}\n\n{line}") == f"{WORDS}\n\n{line}"


def test_a_note_may_take_two_lines_or_stand_below_a_rule() -> None:
    assert own(f"{WORDS}\n\nSent from Outlook for iOS\n<https://example.org/o>") == WORDS
    assert own(f"{WORDS}\n\n—\nSent from my iPhone\n\nGet Outlook for iOS") == WORDS


def test_a_mail_of_nothing_but_a_note_has_no_own_words() -> None:
    assert own("Gesendet von meinem iPhone") == ""


def test_what_a_list_says_of_a_part_that_it_took_out_is_not_own() -> None:
    assert own(f"{WORDS}\n\n\t[[alternative HTML version deleted]]\n") == WORDS


def test_a_long_last_line_is_looked_at_in_no_time() -> None:
    text = "Sent from " * 100_000
    assert end_without_notes(text, 0, len(text)) == len(text)
