"""A real Valkey: what is written stays."""

from pathlib import Path

import pytest
import redis

from mrilu.service.account import ServerError
from mrilu.service.valkey import Server


def test_what_was_written_outlives_a_stop(tmp_path):
    with Server(tmp_path / "a server") as server:
        with redis.Redis.from_url(server.url) as link:
            link.set("kept", "yes")
            assert link.config_get("appendonly") == {"appendonly": "yes"}
            assert link.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert link.config_get("port") == {"port": "0"}
        server.restart()
        with redis.Redis.from_url(server.url) as link:
            assert link.get("kept") == b"yes"


def test_a_killed_server_comes_back_with_what_it_had_synced(tmp_path):
    with Server(tmp_path / "server") as server:
        with redis.Redis.from_url(server.url) as link:
            link.set("kept", "yes")
            assert link.waitaof(1, 0, 5000)[0] == 1
        server.kill9()
        assert not server.ready()
        server.restart()
        with redis.Redis.from_url(server.url) as link:
            assert link.get("kept") == b"yes"


def test_a_server_that_ends_at_its_start_names_the_log_that_says_why(tmp_path):
    with Server(tmp_path / "server") as server:
        server.stop()
        server.command = lambda: [str(server.binary), "--no-such-setting", "1"]
        with pytest.raises(ServerError, match="Valkey ended at its start; see ") as told:
            server.start()
        named = Path(str(told.value).split("see ")[1])
        assert "no-such-setting" in named.read_text()
