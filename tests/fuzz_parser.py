"""python -m tests.fuzz_parser [SECONDS]: throw mails at the parser for a while; what breaks it becomes a fixture.

Half of the mails are made of the parts that tests/mail/test_hostile.py knows (hypothesis makes and shrinks them),
half are real ones, mutated: samples, earlier crashers and, where they are there, the corpus of odd mails. A crasher
is written to tests/mail/crashers/; tests/mail/test_crashers.py parses all of these ever after.
"""

from __future__ import annotations

import hashlib
import random
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from mrilu.settings.table import PROJECT
from tests.mail.test_hostile import FIELDS, NESTED_VALUES, VALUES, assert_readable
from tests.mail.tree.test_lean import LINES, tree

CRASHERS = PROJECT / "tests" / "mail" / "crashers"
ODD = PROJECT.parent / "shared" / "corpora" / "odd-mail.tar.xz"
ROUND = 200  # mails between two looks at the clock
SLOW = 5.0  # seconds of CPU for one mail
LONGEST = 40_000  # bytes of a seed
TOKENS = (
    b"\n\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xed\xa0\x80", b"--", b"--b", b"--b--\n", b"=?utf-8?B?", b"?=",
    b"Content-Type: multipart/mixed; boundary=b\n", b"Content-Type: message/rfc822\n", b"Content-Type: text/html\n",
    b"Content-Transfer-Encoding: base64\n", b"charset=utf-7", b"charset=iso-2022-jp", b"begin 644 x\n",
    b"filename*0*=utf-8''", b"format=flowed", b"<", b">", b"\"", b"(", b";", b":", b",", b"\\", b"References: <a@b>\n",
    b"Date: Tue, 31 Feb 99999 25:61:61 +9999\n", b"-----BEGIN PGP MESSAGE-----\n", b"> ", b"On x wrote:\n", b"From ",
    b"=?utf-8?Q?=3D=3Futf-8=3FQ=3F=C3=A9=3F=3D?=", b"filename*=utf-8''=?utf-8?Q?%C3%A9?=", b"=?utf-7?Q?+2AA-?=",
    b"=ybegin line=128 size=3 name=x\n\xff\xfe=\n=yend size=3\n", b"~{VPND~}", b"charset=viscii", b"SQL> ",
    b">>> x(1)\n",
    b"Content-Type: application/pkcs7-mime\n", b"\x30\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x80", b"From: a@b\n",
    b"Content-Type: text/calendar\n", b"BEGIN:VEVENT\nSUMMARY:x\\n\n y\nDTSTART;TZID=\"x\":20211109T185000\n",
    b"List-Post: <mailto:a@b>\nList-Id: <a.b>\n", b"X-Original-From: x via y <c@d>\n", b"boundary=b\n--b\n",
    b"In-Reply-To: Message from x <a@b> of \"x\" <1@b>\n", b"To: a@b\n", b"Content-Type: message/rfc822\n\nFrom x\n",
)  # fmt: skip


class TooSlow(Exception):
    """One mail took the parser too long."""


def main(limit: float) -> int:
    """Fuzz for `limit` seconds; the exit code: 0 when nothing broke, 1 when something did."""
    began, rounds, mails = time.monotonic(), 0, 0
    start = time.time_ns()
    seeds, rng = find_seeds(), random.Random(start)
    kinds: tuple[Callable[[int], int], ...] = (made, lambda number: mutated(seeds, rng))
    try:
        while time.monotonic() - began < limit:
            mails += kinds[rounds % len(kinds)](start + rounds)
            rounds += 1
    except Crash as crash:
        print(f"{crash} after {mails} mails (seed {start}): {keep(crash.raw)}", file=sys.stderr)
        return 1
    print(
        f"fuzz: {mails:,} mails in {time.monotonic() - began:.0f} s, {len(seeds)} seeds, seed {start}: nothing broke"
    )
    return 0


class Crash(Exception):
    """A mail broke the parser."""

    def __init__(self, raw: bytes, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.raw = raw


def attempt(raw: bytes) -> None:
    """Parse one mail as the import does. Raises Crash."""
    began = time.process_time()
    try:
        assert_readable(raw)
        if time.process_time() - began > SLOW:
            raise TooSlow(f"{time.process_time() - began:.1f} s")
    except Exception as error:
        raise Crash(raw, error) from error


def made(number: int) -> int:
    """Let hypothesis make a round of mails; a crasher comes back shrunk."""
    fields = st.lists(st.tuples(FIELDS, VALUES | NESTED_VALUES), max_size=8)
    bodies = st.binary(max_size=200) | st.lists(LINES, max_size=20).map(b"\n".join) | tree()

    @seed(number)
    @settings(max_examples=ROUND, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(fields, bodies)
    def one_round(head: list[tuple[bytes, bytes]], body: bytes) -> None:
        attempt(b"".join(name + b": " + value + b"\n" for name, value in head) + b"\n" + body)

    one_round()
    return ROUND


def mutated(seeds: list[bytes], rng: random.Random) -> int:
    """Parse a round of mutated mails."""
    for _ in range(ROUND):
        attempt(mutation(seeds, rng))
    return ROUND


def mutation(seeds: list[bytes], rng: random.Random) -> bytes:
    """Return a mail with some bytes changed, cut, doubled, or from another mail."""
    raw = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 8)):
        here, there = sorted((rng.randrange(len(raw) + 1), rng.randrange(len(raw) + 1)))
        there = min(there, here + 2000)
        match rng.randrange(5):
            case 0:
                raw[here:there] = b""
            case 1:
                raw[here:here] = rng.choice(TOKENS) * rng.choice((1, 1, 1, 50))
            case 2:
                raw[here:here] = raw[here:there]
            case 3:
                raw[here : here + 1] = bytes([rng.randrange(256)])
            case _:
                raw[here:] = rng.choice(seeds)[here:]
    return bytes(raw[: 2 * LONGEST])


def find_seeds() -> list[bytes]:
    """Return mails to begin with."""
    files = [*(PROJECT / "samples" / "mail").glob("*.eml"), *CRASHERS.glob("*.eml")]
    seeds = [file.read_bytes() for file in sorted(files)]
    if ODD.exists():
        with tarfile.open(ODD) as tar:
            members = [member for member in tar if member.isfile() and member.size < LONGEST]
            seeds += [file.read() for member in members if (file := tar.extractfile(member))]
    return seeds


def keep(raw: bytes) -> Path:
    """Write a crasher down as a fixture."""
    CRASHERS.mkdir(exist_ok=True)
    file = CRASHERS / f"{hashlib.sha256(raw).hexdigest()[:12]}.eml"
    file.write_bytes(raw)
    return file


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
