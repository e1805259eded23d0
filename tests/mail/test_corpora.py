"""The two corpora: nothing raises, every mail is one message, and both ways agree."""

import tarfile
from pathlib import Path

import pytest

from mrilu.mail.message import ParsedMessage, RejectedMail
from mrilu.mail.parse import parse_message

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"


def unpacked(name: str, folder: Path) -> list[Path]:
    """Files of a corpus, unpacked into a folder of the test session."""
    archive = CORPORA / f"{name}.tar.xz"
    if not archive.exists():
        pytest.skip(f"the corpus {archive.name} is not beside the project")
    with tarfile.open(archive) as packed:
        # Python 3.11.4 brought the filter.
        packed.extraction_filter = getattr(tarfile, "data_filter", None)
        packed.extractall(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def odd_mail(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return unpacked("odd-mail", tmp_path_factory.mktemp("odd-mail"))


@pytest.fixture(scope="module")
def list_mail(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return unpacked("lists", tmp_path_factory.mktemp("lists"))


def outcome(path: Path, lean: bool = True) -> ParsedMessage | str:
    try:
        return parse_message(path.read_bytes(), file_name=path.name, lean=lean)
    except RejectedMail as refusal:
        return refusal.reason


def test_odd_mail_is_read_or_rejected_with_a_reason(odd_mail: list[Path]) -> None:
    rejected = {path.name: found for path in odd_mail if isinstance(found := outcome(path), str)}
    assert rejected == {
        ".gitattributes": "no-header",
        "README": "no-header",
        "sample_output_multipart": "empty",
    }


def test_odd_mail_reads_the_same_both_ways(odd_mail: list[Path]) -> None:
    assert [path.name for path in odd_mail if outcome(path) != outcome(path, lean=False)] == []


def test_list_mail_is_17250_messages(list_mail: list[Path]) -> None:
    found = [outcome(path) for path in list_mail]
    messages = [message for message in found if isinstance(message, ParsedMessage)]
    assert len(messages) == len(list_mail) == 17_332
    assert len({message.identity for message in messages}) == 17_250
    assert {message.date_source for message in messages} == {"date"}


def test_list_mail_reads_the_same_both_ways(list_mail: list[Path]) -> None:
    sample = list_mail[::12]
    assert [path.name for path in sample if outcome(path) != outcome(path, lean=False)] == []
