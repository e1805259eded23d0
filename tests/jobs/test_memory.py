import gc
import subprocess
import sys

from jobs.memory import collector_paused
from settings import PROJECT

GREEDY = """
import resource
from jobs.memory import limit_memory
limit_memory(1 << 30)
limit_memory(1 << 30)
assert resource.getrlimit(resource.RLIMIT_AS)[0] == 1 << 30
from jobs.archive.read import rejection_of
try:
    bytearray(2 << 30)
except MemoryError as error:
    print(rejection_of(None, error).reason)
"""


def test_a_mail_that_wants_more_than_the_worker_may_have_is_rejected_for_it():
    done = subprocess.run([sys.executable, "-c", GREEDY], cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "memory", done.stderr


def test_the_collector_is_on_again_after_a_batch():
    assert gc.isenabled()
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
