"""A real Valkey: what is written stays."""

import redis

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
