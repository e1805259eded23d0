"""`withhold` and `restore-message`, as an operator calls them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobs.import_messages import import_messages
from models import Message, Withholding
from mrilu.cli import withholding
from mrilu.mail.permalinks import hash_of
from mrilu.service.account import ServerError
from mrilu.settings.table import Settings
from mrilu.web.downloads.made import MadeFiles
from tests.factories import deliver, mail

LINE = "my telephone number is 0123456789\n"


@pytest.fixture
def mails(
    root: Path,
    redis_client: object,
    service_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    settings = replace(service_settings, data_dir=tmp_path / "data")
    monkeypatch.setattr("mrilu.cli.connect.connect", lambda: settings)
    for raw in (
        mail("<one@x>", body=LINE),
        mail("<two@x>", in_reply_to="<one@x>", body=f"> {LINE}ah\n"),
    ):
        import_messages("test", [deliver(root, raw)])
    return root


def call(command: object, *words: str) -> str:
    done = CliRunner().invoke(command, words, catch_exceptions=False)  # type: ignore[arg-type]
    assert done.exit_code == 0
    return done.output


def test_it_says_who_quotes_it_and_where_its_file_lies(mails: Path) -> None:
    told = call(withholding.withhold, "<one@x>", "--reason", "asked")
    assert "1 message is hidden" in told and f"/m/{hash_of('two@x')}/" in told
    assert f"the file stays: {mails}/new/" in told
    row = Withholding.get()
    assert (row.message_id, row.kind, row.reason) == ("one@x", "hidden", "asked")


def test_mboxes_that_were_made_before_go_from_the_disk(mails: Path, tmp_path: Path) -> None:
    kept = MadeFiles(tmp_path / "data" / "downloads")
    kept.get("thread", "state", lambda: [LINE.encode()]).close()
    made = tmp_path / "data" / "downloads" / "made"
    assert list(made.iterdir())
    call(withholding.withhold, "<one@x>", "--erase")
    assert not made.exists()


def test_one_decision_withholds_what_quotes_it_too_and_all_can_be_shown_again(mails: Path) -> None:
    assert "2 messages are hidden" in call(withholding.withhold, hash_of("one@x"), "--with-quotes")
    for name in ("one@x", "/m/" + hash_of("two@x") + "/"):
        assert "1 shown again" in call(withholding.restore_message, name)
    assert not Withholding.select().exists()
    assert not Message.select().where(Message.restrictions != 0).exists()


@pytest.mark.parametrize("command", [withholding.withhold, withholding.restore_message])
def test_what_is_not_there_is_named(mails: Path, command: object) -> None:
    with pytest.raises(ServerError, match="none@x"):
        call(command, "none@x")


def test_what_is_not_withheld_is_named(mails: Path) -> None:
    with pytest.raises(ServerError, match="one@x is not withheld"):
        call(withholding.restore_message, "one@x")
