import gc
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Rejected
from mrilu.archive.plan import FoundFile
from mrilu.archive.read import portions
from mrilu.maildir.names import MailPath
from mrilu.runtime.memory import collector_paused
from mrilu.settings.table import PROJECT
from tests.factories import deliver, mail, make_maildir, register

GREEDY = """
import resource
from mrilu.runtime.memory import limit_memory
limit_memory(1 << 30)
limit_memory(1 << 30)
assert resource.getrlimit(resource.RLIMIT_AS)[0] == 1 << 30
from mrilu.archive.read import rejection_of
try:
    bytearray(2 << 30)
except MemoryError as error:
    print(rejection_of(None, error).reason)
"""


def test_a_mail_that_wants_more_than_the_worker_may_have_is_rejected_for_it():
    done = subprocess.run(
        [sys.executable, "-c", GREEDY], cwd=PROJECT, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "memory", done.stderr


def test_the_collector_is_on_again_after_a_batch():
    assert gc.isenabled()
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()


# What the worker of a small machine has: little more than it needs for one portion of large mails.
FLOOD = """
import json, resource, sys
from pathlib import Path
from mrilu.runtime.database import database as process_database
from mrilu.archive import read
from jobs.import_messages import import_paths
from mrilu.mail.message import Limits
from mrilu.notifications.events import NewsRules
from mrilu.runtime.memory import limit_memory
headroom, paths = int(sys.argv[1]) << 20, sys.argv[2:]
db, rules = process_database(), NewsRules(7, "", "")
import_paths(db, "test", paths[:1], Limits(), rules)
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit_memory(size + headroom)
print(json.dumps(import_paths(db, "test", paths, Limits(), rules)))
"""


@pytest.fixture
def flood(tmp_path, database, service_settings):
    """Import mails of these sizes (MB of Cyrillic text) with so much headroom (MB); return the counts."""
    root = make_maildir(tmp_path / "Maildir")
    register(root)

    def run(headroom: int, sizes: list[int]) -> dict[str, int]:
        paths = [deliver(root, mail(body="coi\n"))]
        paths += [
            deliver(root, mail(body="мир и слово, \n" * (size * 2**20 // 23))) for size in sizes
        ]
        urls = {
            "DATABASE_URL": service_settings.database_url,
            "REDIS_URL": service_settings.redis_url,
        }
        command = [sys.executable, "-c", FLOOD, str(headroom), *paths]
        done = subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, timeout=300, env=os.environ | urls
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize(
    ("headroom", "sizes", "counts"),
    [
        (60, [1] * 40, {"imported": 40}),  # too little for a portion, enough for each mail
        (60, [1, 20, 1], {"imported": 2, "rejected": 1}),
    ],
)
def test_good_mails_go_in_however_little_memory_is_left_by_the_others(
    flood, headroom, sizes, counts
):
    assert flood(headroom, sizes) == counts | {"known": 1}
    assert {row.reason for row in Rejected.select()} == (
        {"memory"} if "rejected" in counts else set()
    )


@given(st.lists(st.integers(0, 50)))
def test_a_batch_is_read_in_portions_of_bounded_size(sizes):
    files = [
        FoundFile(str(number), MailPath("", "", "", "", ""), size, 0.0, 0)
        for number, size in enumerate(sizes)
    ]
    cut = list(portions(files, 30))
    assert sum(cut, []) == files
    assert all(
        len(one) == 1 or 0 < len(one) and sum(file.size for file in one) <= 30 for one in cut
    )
