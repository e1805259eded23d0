"""Quotations lead to the passage they came from, passages to who answers them, as far as the reader may see both."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from mrilu.mail.permalinks import hash_of
from mrilu.quotes.seek import link_some
from tests.web.conftest import Ask, Import, hide

FIRST = "The kettle on the second shelf boils much too fast for green tea."
SECOND = "Whoever owns the blue cup should please wash it before the meeting."


@pytest.fixture
def thread(take_in: Import, database) -> dict[str, str]:
    """Ann's mail, two answers to its second passage, and one that quotes all of it below its own words."""
    made = {
        "a": take_in(
            "a@x",
            sender="Ann <ann@x.org>",
            body=f"{FIRST}\n\n{SECOND}\n\n\n\nBye, and see you all.\n",
        )
    }
    for name in ("b", "c"):
        body = f"> {SECOND}\n\nIt is mine, says {name}.\n"
        made[name] = take_in(
            f"{name}@x", sender=f"{name} <{name}@x.org>", in_reply_to="<a@x>", body=body
        )
    whole = "".join(f"> {line}\n" for line in (FIRST, "", SECOND, "", "Bye, and see you all."))
    made["d"] = take_in("d@x", in_reply_to="<a@x>", body=f"I agree.\n\nAnn wrote:\n{whole}")
    while link_some(database):
        pass
    return made


def test_a_quotation_leads_to_its_passage_on_either_page(pages: FlaskClient, thread):
    alone = pages.get(f"/m/{thread['b']}/").text
    assert f'href="/m/{thread["a"]}/#p2"' in alone
    assert 'id="p2">Whoever' in pages.get(f"/m/{thread['a']}/").text
    together = pages.get(f"/t/{thread['a']}/").text
    assert together.count(f'href="#{thread["a"]}-p2"') == 2
    assert f'id="{thread["a"]}-p2">Whoever' in together


def test_a_passage_says_by_how_many_it_is_answered(pages: FlaskClient, thread):
    shown = pages.get(f"/m/{thread['a']}/").text
    assert "answered by 2</summary>" in shown
    assert shown.count("answered by") == 1, "who quotes all answers no passage"
    assert f'href="/m/{thread["b"]}/"' in shown and f'href="/m/{thread["c"]}/"' in shown
    assert f'href="#{thread["c"]}"' in pages.get(f"/t/{thread['a']}/").text


def test_a_quotation_of_all_is_one_line(pages: FlaskClient, thread):
    shown = pages.get(f"/m/{thread['d']}/").text
    assert re.search(
        r"<summary>quotes all of <bdi>Ann</bdi>’s message of 2025-10-06, 5 lines</summary>", shown
    )


def test_nothing_of_the_text_is_lost_where_it_is_cut(pages: FlaskClient, thread):
    for place in (f"/m/{thread['a']}/", f"/t/{thread['a']}/"):
        shown = pages.get(place).text
        for one in (FIRST, SECOND, "Bye, and see you all."):
            assert one in shown


def test_what_is_withheld_is_led_to_from_nowhere(pages: FlaskClient, thread):
    hide(thread["a"])
    for place in (f"/m/{thread['b']}/", f"/t/{thread['a']}/"):
        shown = pages.get(place).text
        assert (
            "-p2" not in shown
            and "#p2" not in shown
            and "Ann" not in re.sub("Ann wrote:", "", shown)
        )


def test_an_answer_that_is_withheld_is_not_counted(pages: FlaskClient, thread):
    hide(thread["b"])
    shown = pages.get(f"/m/{thread['a']}/").text
    assert thread["b"] not in shown and "answered by 2" not in shown and "answered by" in shown


def test_a_closed_list_is_told_of_nowhere(open_pages: Ask, thread, take_in: Import, database):
    take_in(
        "p@x",
        in_reply_to="<a@x>",
        list_id="<secret.example.org>",
        sender="Spy <spy@x.org>",
        body=f"> {SECOND}\n\nNo.\n",
    )
    while link_some(database):
        pass
    shown = open_pages(private_lists=("secret.example.org",)).get(f"/m/{thread['a']}/").text
    assert "Spy" not in shown and hash_of("p@x") not in shown and "answered by 2" in shown
    assert "answered by 3" in open_pages().get(f"/m/{thread['a']}/").text


def test_the_graph_changes_the_etags_of_its_own_pages_only(
    pages: FlaskClient, thread, take_in: Import, database
):
    take_in("other@x", subject="another one", body="Something else.\n")
    places = {name: f"/m/{one}/" for name, one in thread.items()} | {
        "other": f"/m/{hash_of('other@x')}/"
    }
    # a neighbour by date has other links beside it: its list goes on
    take_in(
        "e@x",
        in_reply_to="<a@x>",
        body=f"> {FIRST}\n\nNo.\n",
        date="Mon, 06 Oct 2025 19:12:44 +0200",
    )
    before = {name: pages.get(place).headers["ETag"] for name, place in places.items()}
    together = pages.get(f"/t/{thread['a']}/").headers["ETag"]
    while link_some(database):
        pass
    after = {name: pages.get(place).headers["ETag"] for name, place in places.items()}
    assert {name for name in places if before[name] != after[name]} == {"a"}
    assert pages.get(f"/t/{thread['a']}/").headers["ETag"] != together


def test_interleaved_answers_are_never_inside_a_fold(pages: FlaskClient, take_in: Import, database):
    take_in("a@x", body=f"{FIRST}\n\n{SECOND}\n")
    quoted = f"> {FIRST}\n> one\n> two\n> three\n"
    take_in(
        "b@x",
        in_reply_to="<a@x>",
        body=f"{quoted}\nBoil less.\n\n{quoted}> {SECOND}\n\nNot mine.\n",
    )
    while link_some(database):
        pass
    shown = re.sub(
        r"<details.*?</details>", "", pages.get(f"/m/{hash_of('b@x')}/").text, flags=re.DOTALL
    )
    assert "Boil less." in shown and "Not mine." in shown and "one\n" not in shown
