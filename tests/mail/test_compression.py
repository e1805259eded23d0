"""Compressed mail is told by its first bytes, and never takes more room than a mail may."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections.abc import Callable

import pytest

import models
from jobs.import_messages import import_messages
from models import Message, Rejected
from mrilu.archive.ledger import difference
from mrilu.mail.compression import LZ4, decompressed
from mrilu.mail.message import RejectedMail
from tests.factories import deliver, mail

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RAW = mail("<a@x>", subject="small", body="coi rodo\n" * 200)
WAYS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress}
ways = pytest.mark.parametrize("compress", WAYS.values(), ids=WAYS)


@ways
def test_what_is_compressed_is_read(compress: Callable[[bytes], bytes]) -> None:
    assert decompressed(compress(RAW), 10**6) == RAW
    half = len(RAW) // 2
    assert decompressed(compress(RAW[:half]) + compress(RAW[half:]) + b"\0\0", 10**6) == RAW


def test_frames_may_be_many_and_of_several_formats_with_zeros_between() -> None:
    pieces = [RAW[place : place + 1] for place in range(len(RAW))]
    frames = [(gzip.compress, zstd.compress)[place % 2](one) for place, one in enumerate(pieces)]
    frames.insert(500, b"\0" * 600_000)
    assert decompressed(b"".join(frames), 10**6) == RAW


def test_what_is_not_compressed_stays_as_it_is() -> None:
    assert decompressed(RAW, 10) is RAW and decompressed(b"", 10) == b""


@ways
@pytest.mark.parametrize("damage", ["cut", "head", "middle", "tail"])
def test_damaged_data_is_refused_with_its_format(compress, damage) -> None:
    whole = compress(RAW)
    broken = {
        "cut": whole[:-9],
        "head": whole[:6],
        "middle": whole[:20] + b"\xff" * 8 + whole[28:],
        "tail": whole + b"more",
    }[damage]
    with pytest.raises(RejectedMail) as caught:
        decompressed(broken, 10**6)
    assert caught.value.reason == "compressed"


@ways
def test_a_bomb_is_not_unpacked(compress) -> None:
    assert len(decompressed(compress(b"x" * 50_000_000), 1000)) == 1001


def test_a_format_that_is_not_read_is_named() -> None:
    with pytest.raises(RejectedMail, match="lz4"):
        decompressed(LZ4 + b"...", 1000)


@ways
def test_compressed_mail_is_imported_and_a_half_one_when_it_is_whole(root, compress) -> None:
    raw = compress(RAW)
    path = deliver(root, raw[:-9], "cur/1.a,S=9999:2,SZ")
    assert import_messages("test", [path]) == {"rejected": 1}
    assert Rejected.get().reason == "compressed"
    (root / path).write_bytes(raw)
    assert difference(models.db, root, "test").changed == [path]
    assert import_messages("test", [path]) == {"imported": 1}
    assert Message.get().body.count("coi rodo") == 200 and Rejected.select().count() == 0


def test_a_bomb_is_rejected_as_too_large(root, service_settings, monkeypatch) -> None:
    path = deliver(root, gzip.compress(RAW + b"x" * 60_000_000), "cur/1.a:2,SZ")
    assert import_messages("test", [path]) == {"rejected": 1}
    assert Rejected.get().reason == "too-large"
