from mrilu.runtime.heartbeat import beat, kept_nothing, last_beat


def test_a_beat_is_told_until_it_ends(redis_client):
    beat("one", {"pending": 3})
    assert last_beat("one")["pending"] == 3
    redis_client.flushall()
    assert last_beat("one") is None


def test_a_flush_is_noticed_once(redis_client):
    kept_nothing()
    assert not kept_nothing()
    redis_client.flushall()
    assert kept_nothing()
    assert not kept_nothing()
