"""What browsers may keep, and what is sent packed."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from flask.testing import FlaskClient

from mrilu.web.assets import rendering_of
from tests.web.conftest import Import

PACKED = {"Accept-Encoding": "gzip, br"}


def test_style_and_script_have_addresses_that_change_with_them(pages: FlaskClient) -> None:
    found = re.findall(r'(?:href|src)="(/a/[0-9a-f]+/(frame\.css|site\.js))"', pages.get("/").text)
    assert {name for _, name in found} == {"frame.css", "site.js"}
    for path, name in found:
        plain, packed = pages.get(path), pages.get(path, headers=PACKED)
        assert plain.status_code == 200 and "immutable" in plain.headers["Cache-Control"]
        assert packed.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed.vary
        assert gzip.decompress(packed.data) == plain.data
        led = pages.get(f"/a/{'0' * 12}/{name}")
        assert (led.status_code, led.location) == (302, path)
    assert pages.get(f"/a/{'0' * 12}/none.css").status_code == 404


def test_style_and_script_together_are_small_on_the_wire(pages: FlaskClient) -> None:
    found = re.findall(r'"(/a/[^"]+)"', pages.get("/").text)
    assert len(found) == 3
    assert sum(len(pages.get(path, headers=PACKED).data) for path in found) < 20_000


def test_pages_change_with_what_makes_them(
    tmp_path: Path, pages: FlaskClient, take_in: Import
) -> None:
    (tmp_path / "templates").mkdir()
    for name, text in (("templates/a.html", "one"), ("b.py", "two"), ("data.bin", "three")):
        (tmp_path / name).write_text(text)
    before = rendering_of(tmp_path)
    assert rendering_of(tmp_path) == before
    (tmp_path / "data.bin").write_text("other")
    assert rendering_of(tmp_path) == before
    (tmp_path / "templates/a.html").write_text("onE")
    assert rendering_of(tmp_path) != before
    path = f"/m/{take_in('one@x')}/"
    tag = pages.get(path).headers["ETag"]
    pages.application.config["RENDERING"] = "another"
    assert pages.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_pages_are_packed_for_who_takes_it(take_in: Import, pages: FlaskClient) -> None:
    path = f"/m/{take_in('one@x', body='words and words ' * 500)}/"
    plain, packed = pages.get(path), pages.get(path, headers=PACKED)
    assert "Content-Encoding" not in plain.headers and "Accept-Encoding" in plain.vary
    assert packed.headers["Content-Encoding"] == "gzip" and len(packed.data) < len(plain.data) / 2
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] == plain.headers["ETag"] and packed.headers["ETag"].startswith(
        "W/"
    )
    tag = {"If-None-Match": packed.headers["ETag"]}
    assert pages.get(path, headers=PACKED | tag).status_code == 304
    for refused in ("identity", "gzip;q=0", ""):
        assert (
            "Content-Encoding" not in pages.get(path, headers={"Accept-Encoding": refused}).headers
        )


def test_what_holds_secrets_is_never_packed(
    take_in: Import, pages: FlaskClient, operator: FlaskClient
) -> None:
    path = f"/m/{take_in('one@x', body='words and words ' * 500)}/"
    assert "Content-Encoding" not in operator.get(path, headers=PACKED).headers
    assert "Content-Encoding" not in operator.get("/rq/", headers=PACKED).headers
    assert "Content-Encoding" not in pages.get("/subscribe?word=klama", headers=PACKED).headers
    pages.set_cookie("any", "secret")
    assert "Content-Encoding" not in pages.get(path, headers=PACKED).headers
