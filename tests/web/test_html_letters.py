"""HTML letters are shown harmlessly: nothing runs, and nothing is loaded from elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from lxml import html as lxml_html

from mrilu.mail.permalinks import hash_of
from mrilu.web.pages.html_mail import POLICY, harmless
from tests.web.conftest import Ask
from tests.web.test_files import Give, give, letter, root

__all__ = ["give", "root"]  # fixtures

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
# Each line would make a browser ask the server at {0}, or run something, or leave the page.
HOSTILE = """
<img src="{0}/1"><img srcset="{0}/2 2x"><img src=x onerror="location='{0}/3'"><picture><source srcset="{0}/4"></picture>
<link rel=stylesheet href="{0}/5"><link rel=prefetch href="{0}/6"><meta http-equiv=refresh content="0;url={0}/7">
<base href="{0}/8/"><form action="{0}/9"><input type=submit autofocus onfocus="this.form.submit()"></form>
<svg><image href="{0}/10"/><use href="{0}/11#a"/><style>@import "{0}/12";</style></svg>
<style>@import url({0}/13); body{{background:url({0}/14)}} @font-face{{font-family:a;src:url({0}/15)}}</style>
<p style="background:url({0}/16)">a</p><p style="background:u\\72l({0}/17)">b</p><table background="{0}/18"><tr>
<td background="{0}/19">
</table><p style="list-style-image:url({0}/20);content:url({0}/21);cursor:url({0}/22),auto;font-family:a">c</p>
<iframe src="{0}/23"></iframe><object data="{0}/24"></object><embed src="{0}/25">
<video src="{0}/26" poster="{0}/27"></video>
<audio src="{0}/28" autoplay></audio><script src="{0}/29"></script><script>new Image().src="{0}/30"</script>
<a href="javascript:location='{0}/31'">d</a><a href="data:text/html,<script>1</script>">e</a>
<a ping="{0}/32" href="{0}/33">f</a>
<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='{0}/34'/></svg>"><img src="//{1}/35">
<math><mtext><mglyph><style><img src="{0}/36"></style></mglyph></mtext></math><noscript><img src="{0}/37"></noscript>
<p style="background-image:image-set('{0}/38' 1x)">g</p><img lowsrc="{0}/39" dynsrc="{0}/40"><body background="{0}/41">
<div style="width:expression(alert(1));behavior:url({0}/42)">h</div><template><img src="{0}/43"></template>
"""


class Asked:
    """The paths that a server was asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.some = threading.Event()


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, Asked]]:
    """A server that notes each request: its address and what was asked of it."""
    asked = Asked()

    class Note(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.paths.append(self.path)
            asked.some.set()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Note)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def hostile(address: str) -> str:
    return HOSTILE.format(address, address.removeprefix("http://"))


def test_no_element_or_attribute_that_loads_or_acts_is_left() -> None:
    tree = lxml_html.fromstring(harmless(hostile("http://evil.example"), {}, mask=True))
    body = tree.find("body")
    loading = {"src", "srcset", "background", "poster", "data", "action", "ping", "style"}
    for one in body.iter():
        assert one.tag not in {"script", "style", "link", "meta", "base", "form", "iframe", "svg", "object", "embed",
                               "video", "audio", "input", "source", "template", "math"}  # fmt: skip
        assert not any(name.startswith("on") for name in one.attrib)
        for name in loading & set(one.attrib):
            assert "evil" not in one.attrib[name]
        if one.tag == "a":
            assert one.get("rel") == "noopener noreferrer nofollow"
            assert one.get("href", "http:").startswith("http:")
    assert {one.text for one in body.iter("p")} >= {"a", "b", "c", "g"}


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_a_browser_asks_nothing_of_anyone(elsewhere: tuple[str, Asked], tmp_path: Path) -> None:
    address, asked = elsewhere

    seen = tmp_path / "seen.png"

    def browser(page: str) -> subprocess.Popen[bytes]:
        path = tmp_path / "letter.html"
        path.write_text(page)
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                   f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={seen}", path.as_uri()]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603

    # Even without the policy that the page is sent with.
    with browser(harmless(hostile(address), {}, mask=True)) as looking:
        assert looking.wait(90) == 0
    assert seen.exists() and asked.paths == []
    with browser(hostile(address)) as looking:  # the same browser would have asked
        assert asked.some.wait(90)
        looking.kill()


def test_a_letter_is_shown_under_its_own_policy_with_its_own_images(
    give: Give, pages: FlaskClient, open_pages: Ask
) -> None:
    made = letter()
    page = (
        '<p>coi <b>rodo</b> ann@people.example a<i>b@people</i>.example <a href="mailto:x@people.example">m</a></p>'
        '<img src="cid:one@img" alt="tea"><img src="cid:none"><img src="https://evil.example/x.png">'
    )
    made.add_alternative(page, subtype="html")
    made.get_payload()[1].add_related(PNG, "image", "png", cid="<one@img>")  # type: ignore[union-attr, index]
    give(made.as_bytes())
    place = f"/m/{hash_of('one@x')}/html"
    frame = pages.get(f"/m/{hash_of('one@x')}/").text
    assert (
        f'<iframe src="{place}"' in frame and 'sandbox="' in frame and "allow-scripts" not in frame
    )
    answer = pages.get(place)
    assert (
        answer.headers["Content-Security-Policy"] == POLICY and "frame-ancestors 'self'" in POLICY
    )
    assert "<b>rodo</b>" in answer.text and "data:image/png;base64," in answer.text
    assert "people.example" not in answer.text and "evil.example" not in answer.text
    assert "b@people" not in answer.text
    again = pages.get(place, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304 and again.headers["Content-Security-Policy"] == POLICY
    shown = open_pages(show_addresses=True).get(place).text
    assert "ann@people.example" in shown and 'href="mailto:x@people.example"' in shown


def test_a_message_without_html_has_no_letter(give: Give, pages: FlaskClient) -> None:
    give(letter().as_bytes())
    one = hash_of("one@x")
    assert pages.get(f"/m/{one}/html").status_code == 404
    assert "iframe" not in pages.get(f"/m/{one}/").text
    with closing(pages.get(f"/m/{one}/html/2")) as other:
        assert other.status_code == 404
