"""A quotation is found in its source through new line breaks, deeper marks and trimming, and nowhere else."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mrilu.mail.own_words.quotes import own_spans
from mrilu.quotes.match import Candidate, Link, find_links
from mrilu.quotes.words import own_words, quoted_runs

DAY = datetime(2020, 1, 1, tzinfo=UTC)
FIRST = "The kettle on the second shelf boils much too fast for green tea."
SECOND = "Whoever owns the blue cup should please wash it before the meeting."
THIRD = "I have ordered a new lid and it will arrive on Thursday at noon."
SOURCE = f"{FIRST}\n\n{SECOND}\n\n{THIRD}\n"


def flat(body: str) -> list[int]:
    return [place for span in own_spans(body) for place in span]


def candidate(body: str, number: int = 1, rank: int = 0, author: str = "ann@x") -> Candidate:
    sent = DAY + timedelta(hours=number)
    return Candidate(number, rank, sent, author, own_words(body, flat(body)))


def links(body: str, *candidates: Candidate) -> list[Link]:
    return find_links(quoted_runs(body, flat(body)), candidates or [candidate(SOURCE)])[0]


def quoted(text: str, mark: str = "> ") -> str:
    return "".join(f"{mark}{line}\n" for line in text.splitlines())


def test_each_passage_of_an_interleaved_reply_is_found_in_its_place():
    body = f"{quoted(FIRST)}\nBoil less.\n\n{quoted(THIRD)}\nThank you.\n"
    first, second = links(body)
    assert (first.passage, second.passage, first.whole, second.whole) == (1, 3, False, False)
    assert body[first.start : first.stop] == f"> {FIRST}"
    assert SOURCE[second.source_start : second.source_stop] == THIRD


def test_new_line_breaks_and_white_space_hide_nothing():
    broken = textwrap.fill(SECOND.replace(" ", "  "), 30)
    (link,) = links(f"Ann wrote:\n{quoted(broken, '>')}\nMine.\n")
    assert (link.passage, link.last_passage) == (2, 2)


def test_a_quotation_of_all_is_whole_and_one_that_was_changed_is_not():
    assert [one.whole for one in links(f"Yes.\n\nAnn wrote:\n{quoted(SOURCE)}")] == [True]
    changed = SOURCE.replace("green tea", "black tea")
    assert not any(one.whole for one in links(f"Yes.\n\n{quoted(changed)}"))
    without = SOURCE.replace("much ", "")
    assert not any(one.whole for one in links(f"Yes.\n\n{quoted(without)}"))


def test_words_that_were_moved_are_not_whole():
    assert not any(one.whole for one in links(f"{quoted(THIRD)}\n{quoted(FIRST)}\nYes.\n"))


def test_only_what_own_words_follow_is_answered():
    root, reply = candidate(FIRST, 1, 1, "ann@x"), candidate(SECOND, 2, 0, "bob@x")
    body = f"{quoted(FIRST, '> > ')}{quoted(SECOND)}\nMine.\n\n{quoted(SECOND)}"
    assert [one.answered for one in links(body, root, reply)] == [False, True, False]


def test_depth_tells_whose_words_they_are():
    root, reply = candidate(FIRST, 1, 1, "ann@x"), candidate(SECOND, 2, 0, "bob@x")
    found = links(f"{quoted(FIRST, '> > ')}{quoted(SECOND)}\nMine.\n", root, reply)
    assert [one.source for one in found] == [1, 2]


def test_who_repeats_himself_is_quoted_from_where_the_depth_says():
    root, reply = candidate(FIRST, 1, 1), candidate(FIRST, 2, 0)
    assert [one.source for one in links(f"{quoted(FIRST)}\nMine.\n", reply, root)] == [2]
    assert [one.source for one in links(f"{quoted(FIRST, '>> ')}\nMine.\n", reply, root)] == [1]


def test_what_another_took_in_without_a_mark_is_the_first_authors():
    root, reply = candidate(FIRST, 1, 1, "ann@x"), candidate(FIRST, 2, 0, "bob@x")
    assert [one.source for one in links(f"{quoted(FIRST)}\nMine.\n", reply, root)] == [1]


def test_two_of_the_thread_that_say_the_same_leave_it_open():
    one, two = candidate(FIRST, 1, -1), candidate(FIRST, 2, -1, "bob@x")
    assert links(f"{quoted(FIRST)}\nMine.\n", one, two) == []
    assert len(links(f"{quoted(FIRST)}\nMine.\n", one)) == 1


def test_a_phrase_that_two_texts_share_is_no_quotation():
    body = quoted("Nobody knows how the kettle on the second shelf came to be mine at all.")
    assert links(f"{body}\nMine.\n") == []
    assert links(f"{quoted('Thanks in advance')}\nMine.\n", candidate("Thanks in advance\n")) == []


def test_lines_cut_out_of_the_middle_are_two_links():
    body = f"{quoted(FIRST)}> [...]\n{quoted(THIRD)}\nMine.\n"
    assert [one.passage for one in links(body)] == [1, 3]


def test_text_without_blanks_between_words_is_found_over_other_line_breaks():
    source = "山の上の小屋で緑茶を飲みながら会議の準備をしました。\n"
    body = "> 山の上の小屋で緑茶を飲み\n> ながら会議の準備をしました。\n\nはい。\n"
    assert [one.whole for one in links(body, candidate(source))] == [True]


WORDS = st.lists(
    st.text("abcdefghij", min_size=3, max_size=9), min_size=12, max_size=60, unique=True
)


@given(WORDS, st.integers(20, 70), st.integers(1, 3))
def test_any_text_is_found_whole_however_it_is_broken(words: list[str], width: int, depth: int):
    text = " ".join(words)
    body = f"Mine it is.\n\n{quoted(textwrap.fill(text, width), '>' * depth + ' ')}"
    assert [one.whole for one in links(body, candidate(text + "\n"))] == [True]


@given(WORDS, WORDS)
def test_a_text_of_other_words_is_never_found(words: list[str], others: list[str]):
    strange = [one for one in others if one not in words]
    body = f"Mine.\n\n{quoted(' '.join(strange))}"
    assert links(body, candidate(" ".join(words) + "\n")) == []


@given(
    st.lists(st.sampled_from([FIRST, SECOND, THIRD, "Mine.", "> > deep", "> ", ""]), max_size=12)
)
def test_links_are_in_order_within_quoted_lines_and_say_what_their_source_says(parts: list[str]):
    body = "\n".join(f"> {one}" if number % 2 else one for number, one in enumerate(parts))
    end = -1
    for link in links(body):
        assert end < link.start < link.stop <= len(body)
        end = link.stop
        told = [
            word.text for run in quoted_runs(body[link.start : link.stop], []) for word in run.words
        ]
        said = own_words(SOURCE[link.source_start : link.source_stop], [0, len(SOURCE)]).words
        assert told == [word.text for word in said]


def people(*names: str, text: str = FIRST) -> list[Candidate]:
    made = []
    for number, name in enumerate(names, 1):
        address = f"{name.split()[0].lower()}@x"
        made.append(candidate(text, number, number - 1, address)._replace(name=name))
    return made


def test_the_line_over_a_quotation_decides_between_two_who_say_the_same():
    ann, bob = people("Ann Archer", "Bob Baker")
    for name, number in (("Ann Archer", 1), ("Bob Baker", 2), ("Baker, Bob", 2)):
        (link,) = links(f"On Mon, 6 Jan 2025, {name} wrote:\n{quoted(FIRST)}\nYes.\n", ann, bob)
        assert link.source == number, name


def test_a_quotation_of_a_named_author_is_no_others():
    ann, bob = people("Ann Archer", "Bob Baker")
    bob = bob._replace(text=candidate(THIRD).text)
    named = f"On Mon, 6 Jan 2025, Bob Baker wrote:\n{quoted(FIRST)}\nYes.\n"
    assert links(named, ann, bob) == []
    deeper = f"On Mon, 6 Jan 2025, Carl wrote:\n> On Sun, 5 Jan 2025, Bob Baker wrote:\n{quoted(FIRST, '> > ')}\nYes.\n"
    assert links(deeper, ann, bob) == []


def test_a_line_that_names_nobody_else_vetoes_nothing():
    ann, bob = people("Ann Archer", "Bob Baker")
    bob = bob._replace(text=candidate(THIRD).text)
    for line in ("On Mon, 6 Jan 2025, Ann wrote:", "On Mon, 6 Jan 2025, somebody wrote:",
                 "On Mon, 6 Jan 2025, <ann@x> wrote:",
                 "On Mon, 6 Jan 2025, Ann Archer, to Bob Baker, wrote:"):  # fmt: skip
        assert [one.source for one in links(f"{line}\n{quoted(FIRST)}\nYes.\n", ann, bob)] == [1], (
            line
        )
    nameless = ann._replace(name="")
    body = f"On Mon, 6 Jan 2025, Bob Baker wrote:\n{quoted(FIRST)}\nYes.\n"
    assert [one.source for one in links(body, nameless, bob)] == [1]


def test_only_the_paragraph_below_the_line_is_judged_by_it():
    # Some programs put what is answered under the answer, without a mark.
    ann, bob = people("Ann Archer", "Bob Baker")
    bob = bob._replace(text=candidate(THIRD).text)
    body = f"On Mon, 6 Jan 2025, Bob Baker wrote:\n{quoted(THIRD)}> \n{quoted(FIRST)}\nYes.\n"
    assert [one.source for one in links(body, ann, bob)] == [2, 1]
