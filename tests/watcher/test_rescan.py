import pytest

from mrilu.maildir.errors import MaildirMissing
from tests.watcher.conftest import Recorder
from watcher.rescan import Rescans


def make(missing, batch_size=2, every=3600.0) -> tuple[Rescans, Recorder]:
    sent = Recorder()
    return Rescans(missing, sent, batch_size, every), sent


def test_what_is_missing_is_queued_in_batches_at_the_back():
    rescans, sent = make(lambda name: ["1", "2", "3"])
    rescans.want("m", "start")
    rescans.run_due()
    assert sent.calls == [("m", ["1", "2"], False), ("m", ["3"], False)]
    assert rescans.wanted() == {} and rescans.done == 1


def test_the_first_batch_is_queued_before_the_last_path_is_found():
    def missing(name):
        yield from ("1", "2")
        assert sent.calls == [("m", ["1", "2"], False)]
        yield "3"

    rescans, sent = make(missing)
    rescans.want("m", "start")
    rescans.run_due()
    assert sent.calls == [("m", ["1", "2"], False), ("m", ["3"], False)] and rescans.done == 1


def test_a_scan_that_breaks_off_is_done_again():
    def missing(name):
        yield from ("1", "2")
        raise MaildirMissing("/m")

    rescans, sent = make(missing)
    rescans.want("m", "start")
    with pytest.raises(MaildirMissing):
        rescans.run_due()
    assert sent.calls == [("m", ["1", "2"], False)]
    assert rescans.wanted() == {"m": "start"} and rescans.done == 0


def test_several_reasons_make_one_rescan():
    rescans, _ = make(lambda name: [])
    rescans.want("m", "start")
    rescans.want("m", "inotify overflow")
    rescans.run_due()
    assert rescans.done == 1


def test_a_reason_that_comes_during_a_rescan_makes_another():
    def missing(name: str) -> list[str]:
        rescans.want(name, "inotify overflow")
        return []

    rescans, _ = make(missing)
    rescans.want("m", "start")
    rescans.run_due()
    assert rescans.wanted() == {"m": "inotify overflow"}


def test_a_rescan_that_fails_stays_wanted():
    def fail(name):
        raise ConnectionError

    rescans, _ = make(fail)
    rescans.want("m", "start")
    with pytest.raises(ConnectionError):
        rescans.run_due()
    assert rescans.wanted() == {"m": "start"} and rescans.done == 0


def test_a_maildir_out_of_reach_keeps_no_other_from_its_rescan():
    tried = Recorder()

    def missing(name):
        tried(name)
        if name == "away":
            raise MaildirMissing("/away")
        return ["1"]

    rescans, sent = make(missing)
    rescans.want("away", "start")
    rescans.want("m", "start")
    with pytest.raises(MaildirMissing):
        rescans.run_due()
    assert sent.firsts() == ["m"] and rescans.wanted() == {"away": "start"}
    with pytest.raises(MaildirMissing):  # not tried again at once, and out of reach still
        rescans.run_due()
    assert tried.firsts() == ["away", "m"]


def test_a_maildir_that_is_back_is_out_of_reach_no_more():
    away = [True]

    def missing(name):
        if away[0]:
            raise MaildirMissing("/m")
        return ["1"]

    rescans, sent = make(missing)
    rescans.want("m", "start")
    with pytest.raises(MaildirMissing):
        rescans.run_due()
    away[0] = False
    rescans._not_before.clear()
    rescans.run_due()
    rescans.run_due()
    assert sent.firsts() == ["m"] and rescans.unfinished() == {}


def test_a_safety_rescan_is_due_by_the_clock():
    rescans, sent = make(lambda name: ["1"], every=0.0)
    rescans.run_due()
    assert sent.calls == []
    rescans.want("m", "start")
    rescans.run_due()
    rescans._not_before.clear()
    rescans.run_due()
    assert sent.firsts() == ["m", "m"]
