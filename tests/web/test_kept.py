"""Answers that are kept for a while."""

from mrilu.web.kept import Kept


def test_an_answer_is_kept_for_its_seconds_and_the_oldest_give_way() -> None:
    now, asked = [0.0], []

    def ask(key: str) -> str:
        asked.append(key)
        return f"{key}{len(asked)}"

    kept: Kept[str] = Kept(10, most=2, clock=lambda: now[0])
    assert [kept.get("a", lambda: ask("a")) for _ in range(3)] == ["a1"] * 3
    now[0] = 9.9
    assert kept.get("a", lambda: ask("a")) == "a1"
    now[0] = 10.0
    assert kept.get("a", lambda: ask("a")) == "a2"
    for key in "bc":
        kept.get(key, lambda key=key: ask(key))
    assert kept.get("c", lambda: ask("c")) == "c4" and kept.get("a", lambda: ask("a")) == "a5"
