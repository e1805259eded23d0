"""What foreign text does to a terminal: nothing."""

from __future__ import annotations

import io
import sys

import pytest
from click.testing import CliRunner
from rich.table import Table
from rich.text import Text

from jobs.import_messages import import_messages
from mrilu.cli.__main__ import main
from mrilu.cli.status import gather, show
from mrilu.cli.terminal import console, escaped, escaped_output
from tests.factories import deliver, mail

HOSTILE = "a\x1b]0;title\x07\x1b[2J\x9b1A\rb\u202egpj\u2066\x7f\x00\udc80"
HARMLESS = r"a\x1b]0;title\x07\x1b[2J\x9b1A\rb\u202egpj\u2066\x7f\x00\udc80"


def test_what_a_terminal_obeys_is_written_out() -> None:
    assert escaped(HOSTILE) == HARMLESS
    assert escaped("two\nlines\tand ünicode 日本語 👍") == "two\nlines\tand ünicode 日本語 👍"
    obeyed = [chr(code) for code in range(0x10000) if escaped(chr(code)) != chr(code)]
    assert {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0))} - set(obeyed) == {"\t", "\n"}


def test_printed_text_is_escaped_on_both_streams(capsys: pytest.CaptureFixture[str]) -> None:
    with escaped_output():
        print(HOSTILE)
        print(HOSTILE, file=sys.stderr)
        sys.stdout.writelines([HOSTILE])
    assert capsys.readouterr() == (f"{HARMLESS}\n{HARMLESS}", f"{HARMLESS}\n")


def test_richs_own_colours_stay_and_foreign_text_in_anything_is_escaped() -> None:
    file = io.StringIO()
    made = console(
        file=file, force_terminal=True, width=200, color_system="standard", highlight=False
    )
    table = Table()
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    for one in (HOSTILE, Text(HOSTILE, style="red"), table, "[link=http://evil.example]x[/]"):
        made.print(one)
    shown = file.getvalue()
    assert "\x1b[31m" in shown and shown.count(r"\x1b[2J") == 4
    assert not {"\x07", "\x9b", "\r", "\u202e", "\x00"} & set(shown)
    assert "\x1b]" not in shown and "\x1b[2J" not in shown


@pytest.fixture
def run(service_settings, database, redis_client):
    def call(*words: str) -> str:
        environ = {
            "DATABASE_URL": service_settings.database_url,
            "REDIS_URL": service_settings.redis_url,
            "DATA_DIR": str(service_settings.data_dir),
        }
        done = CliRunner().invoke(main, list(words), env=environ)
        return done.output + done.stderr

    return call


def test_why_and_status_obey_no_file_name_and_forge_no_line(root, run) -> None:
    name = "new/1.\x1b]0;x\x07\x1b[2J\u202e\nfake: imported"
    import_messages("test", [deliver(root, mail("<a@x>", subject="\u202ehello"), name)])
    lost = deliver(root, b"From: a\n\nx\n", "new/2.\x1b[31m\nlost")
    bad = deliver(root, b"", "cur/3.\x1b[1Abad:2,S")
    import_messages("test", [bad])
    for words in (
        ["why", str(root / name)],
        ["why", "a@x"],
        ["why", str(root / bad)],
        ["status"],
        ["why", "\x1b[2J"],
    ):
        shown = run(*words)
        assert not {"\x1b", "\x07", "\u202e"} & set(shown), words
        assert not [line for line in shown.splitlines() if line.startswith(("fake", "lost"))], words
    assert r"2.\x1b[31m\nlost" in run("status") and lost
    file = io.StringIO()
    show(gather(), console(file=file, width=300))
    assert "\x1b" not in file.getvalue()
