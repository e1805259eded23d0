"""Subjects as talks are told apart by them."""

import pytest

from mrilu.mail.headers.subjects import clean_subject


@pytest.mark.parametrize(
    ("subject", "cleaned", "is_reply"),
    [
        ("Tea", "Tea", False),
        ("Re: Tea", "Tea", True),
        ("RE: re: Tea", "Tea", True),
        ("Re[2]: Tea", "Tea", True),
        ("Re^3: Tea", "Tea", True),
        ("Re(4): Tea", "Tea", True),
        ("Re : Tea", "Tea", True),
        ("AW: Tea", "Tea", True),
        ("SV: Tea", "Tea", True),
        ("Antw: Tea", "Tea", True),
        ("Fwd: Tea", "Tea", False),
        ("FW: Re: Tea", "Tea", True),
        ("Re: [lojban] Re: Tea", "Tea", True),
        ("[lojban] Tea", "Tea", False),
        ("[R] [r-help] Tea", "Tea", False),
        ("Tea (fwd)", "Tea", False),
        ("Re: Tea (fwd)", "Tea", True),
        ("  Tea   time ", "Tea time", False),
        ("[PATCH 2/3] fix", "[PATCH 2/3] fix", False),
        ("回复: 茶", "茶", True),
        ("Re：茶", "茶", True),
        ("Ответ: чай", "чай", True),
        ("Réf: thé", "Réf: thé", False),
        ("WG: Tee", "Tee", False),
        ("", "", False),
        ("Re:", "", True),
        ("Regarding: tea", "Regarding: tea", False),
        ("react: hooks", "react: hooks", False),
        ("[only a tag]", "[only a tag]", False),
        ("Re: [only a tag]", "[only a tag]", True),
        ("R: Tea", "Tea", True),
        ("RE: Fwd: AW: [x] Tea", "Tea", True),
        ("[Fwd: Tea]", "Tea", False),
    ],
)
def test_a_subject_is_cleaned(subject: str, cleaned: str, is_reply: bool) -> None:
    assert clean_subject(subject) == (cleaned, is_reply)
