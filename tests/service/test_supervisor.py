"""What is asked of supervisord, where nobody answers."""

import gc

import pytest

from mrilu.service.account import ServerError
from mrilu.service.supervisor import program_states, rest


def test_a_supervisor_that_is_gone_leaves_no_socket_open(tmp_path):
    assert program_states(tmp_path / "gone.sock") == {}
    with pytest.raises(ServerError, match="does not obey"):
        rest(tmp_path / "gone.sock", "programs")
    gc.collect()  # what was left open warns here, and a warning fails the test
