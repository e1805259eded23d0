"""Mail that lies compressed on the disk, as Dovecot's zlib plugin writes it: told by its first bytes, not by its name.

No mail begins with them: a header is ASCII, or nearly so. Pure.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import IO, Any

from mrilu.mail.message import RejectedMail

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MOST_MEMORY = 256 * 1024**2  # bytes of a dictionary that xz may ask for
GZIP = (
    31  # zlib's wbits for "gzip header and trailer, window as the data says" (zlib.h, inflateInit2)
)

FORMATS: tuple[tuple[bytes, str, Callable[[], Any]], ...] = (
    (b"\x1f\x8b\x08", "gzip", lambda: zlib.decompressobj(GZIP)),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MOST_MEMORY)),
    (b"\x28\xb5\x2f\xfd", "zstd", zstd.ZstdDecompressor),
)
MAGICS = tuple(magic for magic, *_ in FORMATS)
LZ4 = b"Dovecot-LZ4\x0d\x2a\x9b\xc5"  # Dovecot, lib-compression/iostream-lz4.h: a format of its own
PIECE = 256 * 1024  # bytes that are unpacked at a time
ERRORS = (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, zstd.ZstdError)


def decompressed(raw: bytes, most: int) -> bytes:
    """Return the mail in `raw`, which is `raw` itself if it is not compressed; at most `most` + 1 bytes of it.

    Raises RejectedMail ("compressed") for data that is cut or damaged, or in a format that is not read.
    """
    if raw.startswith(LZ4):
        raise RejectedMail("compressed", "compressed by Dovecot with lz4, which is not read")
    if not raw.startswith(MAGICS):
        return raw
    made = BytesIO()
    decompress_to(BytesIO(raw), made, most)
    return made.getvalue()[: most + 1]


def decompress_to(source: IO[bytes], target: IO[bytes], most: int) -> None:
    """Write the mail that `source` holds compressed to `target` in pieces; at most `most` + PIECE bytes of it.

    Raises RejectedMail ("compressed") as `decompressed` does, OSError.
    """
    waiting = source.read(PIECE)
    while waiting and target.tell() <= most:
        rows = [row for row in FORMATS if waiting.startswith(row[0])]
        if not rows:
            raise RejectedMail("compressed", "damaged data behind a compressed mail")
        try:
            waiting = _frame_to(source, target, waiting, rows[0], most)
        except ERRORS as error:
            raise RejectedMail("compressed", f"damaged {rows[0][1]} data: {error}"[:500]) from error
        # The next frame, whose first bytes tell its format; zeros may fill the end.
        waiting = waiting.lstrip(b"\0")
        while len(waiting) < len(LZ4) and (more := source.read(PIECE)):
            waiting = (waiting + more).lstrip(b"\0")


def _frame_to(
    source: IO[bytes],
    target: IO[bytes],
    waiting: bytes,
    row: tuple[bytes, str, Callable[[], Any]],
    most: int,
) -> bytes:
    """Write one frame, whose first bytes are `waiting`; return what was read beyond it."""
    frame = row[2]()
    while target.tell() <= most:
        made = frame.decompress(waiting, PIECE)
        target.write(made)
        if frame.eof:
            return bytes(frame.unused_data)
        # zlib's hands back what it has not read yet, the others keep it.
        waiting = getattr(frame, "unconsumed_tail", b"")
        if not waiting and getattr(frame, "needs_input", True):
            waiting = source.read(PIECE)
            if not waiting and not made:
                raise RejectedMail("compressed", f"the {row[1]} data ends early")
    return b""
