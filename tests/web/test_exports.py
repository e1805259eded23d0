"""The exported dictionaries as files to fetch, and what became of a mail."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from models import CachedExport, Language
from tests.web.conftest import LIST, Ask, Import, hide

CONTENT = bytes(range(256)) * 8000
PLACE = "/exports/en/xml/jbo-en.xml"


@pytest.fixture
def cached(pages: FlaskClient) -> str:
    now = datetime.now(UTC)
    language = Language.insert(tag="en", name="English", source="s", synced_at=now).execute()
    digest = hashlib.sha256(CONTENT).hexdigest()
    facts = {"filename": "jbo-en.xml", "content_type": "application/xml", "content": CONTENT,
             "size": len(CONTENT), "sha256": digest, "source_hash": "x", "seconds": 1.0, "built_at": now}  # fmt: skip
    CachedExport.store(language, "xml", **facts)
    return digest


def test_each_file_is_listed_with_its_size_and_checksum(pages: FlaskClient, cached: str) -> None:
    text = pages.get("/exports/").text
    assert f'href="{PLACE}"' in text and cached in text and "2.0 MB" in text


def test_a_file_is_whole_and_its_etag_is_its_checksum(pages: FlaskClient, cached: str) -> None:
    answer = pages.get(PLACE)
    assert answer.data == CONTENT and answer.headers["ETag"] == f'"{cached}"'
    assert answer.headers["Content-Disposition"] == "attachment; filename=jbo-en.xml"
    again = pages.get(PLACE, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_part_of_a_file_can_be_had(pages: FlaskClient, cached: str) -> None:
    part = pages.get(PLACE, headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.data) == (206, CONTENT[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(CONTENT)}"
    rest = pages.get(PLACE, headers={"Range": "bytes=1000-", "If-Range": '"another"'})
    assert (rest.status_code, rest.data) == (200, CONTENT)
    assert pages.get(PLACE, headers={"Range": "bytes=9999999-"}).status_code == 416


def test_only_what_is_asked_for_is_read(
    pages: FlaskClient, cached: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, int]] = []
    part = CachedExport.part

    def noted(self: CachedExport, start: int, length: int) -> bytes:
        read.append((start, length))
        return part(self, start, length)

    monkeypatch.setattr(CachedExport, "part", noted)
    tag = f'"{cached}"'
    assert pages.head(PLACE).content_length == len(CONTENT)
    assert pages.get(PLACE, headers={"If-None-Match": tag}).status_code == 304
    assert pages.get(PLACE, headers={"Range": "bytes=9999999-"}).status_code == 416
    assert read == []
    with_tag = {"Range": "bytes=1500000-1500099", "If-Range": tag}
    assert pages.get(PLACE, headers=with_tag).data == CONTENT[1500000:1500100]
    assert sum(length for _, length in read) <= 1024 * 1024 and read[0][0] == 1500000


@pytest.mark.parametrize(
    "path", ["/exports/fr/xml/jbo-fr.xml", "/exports/en/pdf/x.pdf", "/exports/en/xml/other.xml",
             "/exports/en/xml/..%2Fx"]
)  # fmt: skip
def test_what_is_not_cached_is_not_found(pages: FlaskClient, cached: str, path: str) -> None:
    assert pages.get(path).status_code == 404


def test_without_exports_the_page_says_so(pages: FlaskClient) -> None:
    assert "Nothing has been exported yet" in pages.get("/exports/").text


def test_a_sender_hears_where_the_mail_is(take_in: Import, pages: FlaskClient) -> None:
    one = take_in("one@x", subject="green tea")
    for asked in ("one@x", "%3Cone@x%3E", "+one@x+"):
        answer = pages.get(f"/why?id={asked}")
        assert answer.status_code == 200 and f'href="/m/{one}/"' in answer.text
    assert pages.get("/why?id=two@x").status_code == 404
    assert pages.get("/why").status_code == 200
    assert "This is no Message-ID" in pages.get("/why?id=%3C%3E").text


def test_strangers_hear_no_more_than_the_pages_show(
    take_in: Import, pages: FlaskClient, open_pages: Ask
) -> None:
    one = take_in("one@x", subject="green tea")
    closed, unknown = (
        open_pages(private_lists=(LIST,)).get(f"/why?id={name}") for name in ("one@x", "two@x")
    )
    assert closed.status_code == unknown.status_code == 404
    assert closed.text.replace("one@x", "") == unknown.text.replace("two@x", "")
    hide(one)
    told = pages.get("/why?id=one@x").text
    assert "not shown any more" in told and "green tea" not in told
