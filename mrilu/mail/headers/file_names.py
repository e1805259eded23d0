"""The names of attachments, as a reader may save them: base names, of bounded length, that look like what they are."""

from __future__ import annotations

import re

from mrilu.mail.text.cleaning import clean_line

# The largest name that common file systems hold.
MAX_NAME_BYTES = 255
_MAX_EXTENSION = 16
# Marks of direction, which show "gpj.exe" as "exe.jpg" (Unicode TR #36, 2.5), and characters that cannot be seen.
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_DRIVE = re.compile(r"\A[A-Za-z]:(?=\S)")


def base_name(name: str) -> str:
    """Return the last part of a path of any system, cut to MAX_NAME_BYTES bytes in UTF-8; "" where there is none."""
    shown = clean_line(_UNSEEN.sub("", name)).replace("\\", "/").rstrip("/ ")
    base = _DRIVE.sub("", shown.rpartition("/")[2]).strip()
    return "" if base in (".", "..") else _bounded(base)


def _bounded(name: str) -> str:
    if len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > _MAX_EXTENSION:
        stem, dot, extension = name, "", ""
    left = MAX_NAME_BYTES - len(f"{dot}{extension}".encode("utf-8", "replace"))
    return stem.encode("utf-8", "replace")[:left].decode("utf-8", "ignore") + dot + extension
