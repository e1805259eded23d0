"""What is known of the texts of pages, while the dictionary changes."""

from __future__ import annotations

from mrilu.web.pages.glosses import Glosses
from mrilu.web.stamps_kept import StampsKept, stamp_of

NOW = Glosses({"klama": "come", "do": "you"})


def test_a_stamp_holds_until_one_of_its_words_means_something_else() -> None:
    stamps = StampsKept(5)
    stamps.keep("a", stamp_of("looks", frozenset(["klama"]), NOW), NOW)
    for glosses, holds in (
        (NOW, True),
        (Glosses({"klama": "come", "do": "thou"}), True),
        (Glosses({"klama": "go", "do": "thou"}), False),
        (Glosses({"klama": "come", "do": "thou", "mi": "I"}), False),
        (Glosses({"klama": "come"}), False),
        (NOW, True),
    ):
        assert (stamps.find("a", glosses) is not None) == holds
    assert stamps.find("b", NOW) is None


def test_those_that_were_not_asked_for_longest_go() -> None:
    stamps = StampsKept(2)
    for name in "ab":
        stamps.keep(name, stamp_of(name, frozenset(), NOW), NOW)
    assert stamps.find("a", NOW) is not None
    stamps.keep("c", stamp_of("c", frozenset(), NOW), NOW)
    assert [stamps.find(name, NOW) is not None for name in "abc"] == [True, False, True]
