"""Files that were yEncoded into the text of a mail or an article (yEnc 1.3): 8-bit bytes between two "=y" lines."""

import re

from mrilu.mail.text.uuencode import EmbeddedFile

MARK = b"=ybegin "
_BEGIN = re.compile(
    rb"^=ybegin [^\n]{0,200}?\bline=\d{1,6} [^\n]{0,200}?\bname=([^\n]{1,255})\n"
    rb"(?:=ypart [^\n]{0,200}\n)?",
    re.MULTILINE,
)
_END = re.compile(rb"^=yend [^\n]{0,300}(?:\n|\Z)", re.MULTILINE)
_ESCAPE = re.compile(rb"=(.)", re.DOTALL)
_SHIFTED = bytes((code - 42) % 256 for code in range(256))


def split_yencoded(data: bytes) -> tuple[bytes, list[EmbeddedFile]]:
    """The text's bytes without its yEncoded files, and these; a "=ybegin" line without its "=yend" stays text."""
    kept: list[bytes] = []
    files: list[EmbeddedFile] = []
    position = 0
    while (begin := _BEGIN.search(data, position)) and (end := _END.search(data, begin.end())):
        kept.append(data[position : begin.start()])
        files.append(
            EmbeddedFile(
                begin[1].decode("utf-8", "replace").strip('" \r'),
                _decode(data[begin.end() : end.start()]),
            )
        )
        position = end.end()
    return b"".join([*kept, data[position:]]) if files else data, files


def _decode(lines: bytes) -> bytes:
    return _ESCAPE.sub(
        lambda match: bytes(((match[1][0] - 64) % 256,)),
        lines.replace(b"\r", b"").replace(b"\n", b""),
    ).translate(_SHIFTED)
