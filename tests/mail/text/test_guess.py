"""Guesses at the charset of unlabelled text."""

import pytest

from mrilu.mail.text.charset import decode_text
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


SUBJECTS = {
    "gbk": "测试 你好 问题 会议通知 关于会议的通知 请问 回复 新年快乐 求助 编译错误 请教一个问题 如何安装 软件更新"
    " 邮件列表 无法登录 订单已发货 项目进度报告 生日快乐 密码重置 开会 周报 明天的会议 报名表 发票 退订 合同 附件 转发"
    " 您好 中文测试邮件 系统维护通知 招聘信息 论文 内核补丁 自由软件 你好，世界 帮助 大家好 为什么不能登录",
    "cp949": "안녕하세요 질문 감사합니다 회의 안내 문의드립니다 테스트 도와주세요 설치 오류 새해 많이 받으세요",
    "cp950": "你好 會議通知 關於會議 安裝 中文測試郵件 求助 電子郵件地址 密碼確認 儲存並查看",
    "euc_jp": "テスト 質問 お願いします 日本語 はじめまして 件名 ありがとう パスワードの確認",
    "cp932": "テスト 質問 お願いします 会議 日本語 はじめまして 件名 報告書 ありがとう 資料送付 ビルマ語",
    "koi8-r": "Привет Вопрос Тест Ошибка Помогите завтра Спасибо",
    "cp1251": "Привет Вопрос Тест Ошибка Помогите завтра Спасибо",
    "cp874": "ขอบคุณ กันยายน เอกสารประกอบ",
}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(text, encoding) for encoding, texts in SUBJECTS.items() for text in texts.split()],
)
def test_a_short_subject_is_told(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding))[0] == text


@pytest.mark.parametrize("text", SUBJECTS["gbk"].split())
def test_latin_words_beside_a_short_subject_do_no_harm(text: str) -> None:
    assert decode_text(f"Re: {text} (ann)".encode("gbk"))[0] == f"Re: {text} (ann)"


@pytest.mark.parametrize(
    "text", ["«été»", "—————", "“Ça” …", "créée", "Noël, Zoë", "£€¥ 5", "naïveté…", "Año ñoño"]
)
def test_short_western_text_is_left_alone(text: str) -> None:
    assert decode_text(text.encode("cp1252"))[0] == text
