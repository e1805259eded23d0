"""What the fuzzer once found breaks nothing any more, and the fuzzer itself can find something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import fuzz_parser
from tests.mail.test_hostile import assert_readable

CRASHERS = sorted(fuzz_parser.CRASHERS.glob("*.eml"))


@pytest.mark.parametrize("file", CRASHERS, ids=lambda file: file.stem)
def test_a_crasher_crashes_no_more(file: Path) -> None:
    assert assert_readable(file.read_bytes()) is not None, "it is a mail, and its words are kept"


@pytest.mark.parametrize("needle", [b"=?utf-8?B?", b"message/rfc822"])
def test_a_fault_of_the_parser_is_found_and_kept(
    tmp_path: Path, monkeypatch, capsys, needle: bytes
) -> None:
    def faulty(raw: bytes) -> None:
        if needle in raw:
            raise ValueError("a fault")

    monkeypatch.setattr(fuzz_parser, "assert_readable", faulty)
    monkeypatch.setattr(fuzz_parser, "CRASHERS", tmp_path / "crashers")
    assert fuzz_parser.main(30.0) == 1
    [kept] = (tmp_path / "crashers").iterdir()
    assert needle in kept.read_bytes() and "a fault" in capsys.readouterr().err


def test_without_a_fault_it_ends_in_time(monkeypatch, capsys) -> None:
    monkeypatch.setattr(fuzz_parser, "assert_readable", lambda raw: None)
    assert fuzz_parser.main(0.1) == 0 and "nothing broke" in capsys.readouterr().out
