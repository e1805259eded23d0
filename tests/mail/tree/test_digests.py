"""Digests in plain text."""

from mrilu.mail.own_words.quotes import own_spans

RULE, LONG_RULE = "-" * 30, "-" * 70
HEADER = (
    "Date: Tue, 9 Nov 1999 18:50:39 +0100\nFrom: Ann <ann@x.org>\nSubject: tea\nTo: list@x.org\n"
)
DIGEST = (
    f"Send Tea mailing list submissions to\n\tlist@x.org\n\nToday's Topics:\n\n   1. tea (Ann)\n\n\n"
    f"{LONG_RULE}\n\nMessage: 1\n{HEADER}\nfirst words\n-- \nAnn\n\n\n"
    f"{RULE}\n\nMessage: 2\n{HEADER}\n> first words\n\nsecond words\n"
    f"\n{RULE}\n\n____________________________________\nTea mailing list\nlist@x.org\n\n\nEnd of Tea Digest\n"
)


def own(text: str) -> str:
    return "\n".join(text[start:end] for start, end in own_spans(text))


def test_a_signature_in_a_digest_ends_with_its_mail() -> None:
    assert own(DIGEST).endswith("1. tea (Ann)\nfirst words\nsecond words")


def test_an_answer_over_a_whole_digest_is_all_that_is_own() -> None:
    original = "-----Original Message-----\nFrom: list-request@x.org\nSent: x\nTo: y\n\n"
    assert own(f"I agree.\n\n{original}{DIGEST}") == "I agree."


def test_a_rule_of_thirty_dashes_makes_no_digest() -> None:
    assert own(f"One\n\n{RULE}\n\nDate: is a word\n") == f"One\n\n{RULE}\n\nDate: is a word"
