from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobs.import_messages import import_messages
from mrilu.cli import searching
from mrilu.settings.table import PROJECT
from tests.embeddings.made import define, pair
from tests.factories import deliver, mail, make_maildir, register


@pytest.fixture
def archive(
    database, redis_client, service_settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    import_messages(
        "test", [deliver(root, mail("<1@x>", subject="cats", body="They purr -loudly.\n"))]
    )
    define("mlatu", "$x_1$ is a cat", ["cat"])
    pair("ta mlatu", "That is a cat.")
    monkeypatch.setattr("mrilu.cli.connect.connect", lambda: service_settings)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(searching.search, list(arguments), prog_name="search")


def test_all_places_are_searched_and_shown(archive):
    done = run("cat", "--text")
    assert done.exit_code == 0
    for part in (
        "messages 1-1 of 1",
        "They purr",
        "<1@x>",
        "words 1-1 of 1",
        "x1 is a cat",
        "sentences 1-1 of 1",
    ):
        assert part in done.stdout


def test_hits_that_are_not_counted_to_their_end_are_so_many_or_more(archive, monkeypatch):
    monkeypatch.setattr("mrilu.search.fulltext.RANKED", 1)
    assert "messages 1-1 of 1 or more" in run("cat", "--text", "--limit", "1").stdout


def test_the_help_says_whose_days_before_and_after_mean():
    assert "in UTC" in " ".join(run("--help").stdout.split())


def test_scripts_get_json(archive):
    (page,) = json.loads(run("--json", "--text", "--in", "words", "cat").stdout)
    assert page["total"] == 1 and page["hits"][0]["word"] == "mlatu"


def test_an_operator_of_mail_leaves_out_the_other_places(archive):
    done = run("--text", "subject:cats")
    assert "messages 1-1 of 1" in done.stdout and "words" not in done.stdout


def test_words_to_leave_out_are_no_options(archive):
    assert run("--text", "--in", "messages", "cats", "-hello", "-text").exit_code == 0
    assert run("--text", "--in", "messages", "cats", "-loudly").exit_code == 1


def test_nothing_found_is_exit_code_1_and_a_wrong_query_2_with_its_column(archive):
    missing, wrong = run("--text", "unicorns"), run("--text", "cats from:")
    assert missing.exit_code == 1 and "nothing found" in missing.stderr
    assert wrong.exit_code == 2 and wrong.stderr.splitlines() == [
        "mrilu: from: needs a value right behind it (column 6)",
        "  cats from:",
        "       ^",
    ]


def test_without_vectors_a_notice_tells_that_text_answers(archive):
    assert "nothing has been embedded yet" in run("--in", "words", "cat").stderr


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        (["a b"], "a b"),
        (["a", "b c"], 'a "b c"'),
        (["from:Ann Lee", "x"], 'from:"Ann Lee" x'),
        (["-from:Ann Lee", "-b c"], '-from:"Ann Lee" -"b c"'),
        (['"a b"', "c"], '"a b" c'),
    ],
)
def test_phrases_keep_the_quotes_that_the_shell_took_off(typed, query):
    assert searching.as_query(typed) == query


def test_search_by_text_imports_no_encoder():
    script = "import sys, mrilu.cli.searching, mrilu.search.engine, mrilu.search.query_vector\n" + (
        "assert not {'torch', 'openvino', 'numpy', 'tokenizers'} & set(sys.modules), sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-1000:]
