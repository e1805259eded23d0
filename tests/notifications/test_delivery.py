"""What becomes of each row, by what the mail server does: a real one, in process."""

from __future__ import annotations

import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from models import Notification, NotificationPause, RecipientPause, Subscriber, Subscription
from mrilu.notifications.delivery import TRIES
from mrilu.notifications.pause import outbox_status
from mrilu.queues.rules import mail_server_mark
from mrilu.runtime.database import database as process_database
from mrilu.runtime.database import disconnect
from mrilu.settings.current import forget_settings, use_settings
from tests.notifications.conftest import FROM, run
from tests.notifications.postoffice import DROP, HANG, KEEP_AND_DROP, PostOffice, by_recipient


def rows(field: str = "state") -> dict[str, object]:
    """One field of every row, by the subscriber's address."""
    addresses = {row.id: row.address for row in Subscriber.select()}
    return {addresses[row.subscriber]: getattr(row, field) for row in Notification.select()}


def due_again() -> None:
    """Let the back-off of every waiting row be over."""
    Notification.update(next_attempt_at=datetime.now(UTC)).where(
        Notification.state == "waiting"
    ).execute()


def resume() -> None:
    NotificationPause.delete().execute()


def test_a_saved_search_that_a_new_mail_matches_becomes_one_mail(
    office, configured, arrive, search_for
):
    search_for("coi -spam", "a@x.org")
    arrive(subject="coi do")
    assert run(configured(office)) == {"sent": 1}
    [mail] = office.accepted
    assert (mail.sender, mail.recipient) == ("notify@archive.example", "a@x.org")
    assert (
        mail.message["From"] == FROM and mail.message["Subject"] == "Found for “coi -spam”: coi do"
    )
    assert rows() == {"a@x.org": "sent"} and rows("reply") == {"a@x.org": "DATA: 250 2.0.0 OK"}
    assert run(configured(office)) == {} and len(office.accepted) == 1


def test_many_mails_go_over_one_connection(office, configured, arrive, search_for):
    search_for("coi", *(f"{number}@x.org" for number in range(250)))
    arrive(subject="coi")
    assert run(configured(office)) == {"sent": 250}
    assert office.connections == 1 and set(office.recipients.values()) == {1}


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_later_waits_with_the_reply_and_goes_out_under_the_same_message_id(
    stage, configured, arrive, search_for
):
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    told = {stage: "451 4.3.0 later"}
    with PostOffice(lambda at, recipient: told.get(at)) as office:
        settings = configured(office)
        before = datetime.now(UTC)
        assert run(settings) == {"retried": 1}
        [row] = Notification.select()
        assert (row.state, row.attempts, row.lease) == ("waiting", 1, None)
        assert row.reply == f"{stage.upper()}: 451 4.3.0 later"
        assert timedelta(seconds=29) < row.next_attempt_at - before < timedelta(seconds=75)
        assert run(settings) == {}
        told.clear()
        due_again()
        assert run(settings) == {"sent": 1}
        assert (
            office.accepted[0].message_id == f"<notification.{row.message_key.hex}@archive.example>"
        )


@pytest.mark.parametrize("fault", [HANG, DROP, "421 4.3.0 closing"])
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_fault_of_the_connection_costs_only_the_mail_under_way(
    fault, stage, configured, arrive, search_for
):
    search_for("coi", "a@x.org", "b@x.org")
    arrive(subject="coi")
    faults = iter([fault, fault])
    with PostOffice(lambda at, recipient: next(faults, None) if at == stage else None) as office:
        settings = configured(office, smtp_timeout=0.2)
        counts = run(settings)
        due_again()
        counts = {
            key: counts.get(key, 0) + number for key, number in {"sent": 0, **run(settings)}.items()
        }
        due_again()
        run(settings)
        assert set(rows().values()) == {"sent"} and office.recipients == {
            "a@x.org": 1,
            "b@x.org": 1,
        }


def test_a_yes_that_is_lost_gives_a_second_mail_with_the_same_message_id(
    configured, arrive, search_for
):
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    told = {"a@x.org": KEEP_AND_DROP}
    with PostOffice(by_recipient(data=told)) as office:
        settings = configured(office)
        assert run(settings) == {"retried": 1}
        told.clear()
        due_again()
        assert run(settings) == {"sent": 1}
        first, second = office.accepted
        assert first.message_id == second.message_id


def test_a_session_that_was_closed_between_two_mails_costs_nothing(configured, arrive, search_for):
    search_for("coi", "a@x.org", "b@x.org", "c@x.org")
    arrive(subject="coi")
    answers = iter([None, "421 4.7.0 enough for one session"])
    with PostOffice(lambda at, recipient: next(answers, None) if at == "mail" else None) as office:
        assert run(configured(office)) == {"sent": 3}
        assert office.connections == 2 and set(rows("attempts").values()) == {1}


def test_what_is_refused_for_good_is_dead_with_the_reply(configured, arrive, search_for):
    search_for("coi", "gone@x.org", "full@x.org", "big@x.org", "fine@x.org")
    arrive(subject="coi")
    script = by_recipient(
        rcpt={"gone@x.org": "550 5.1.1 no such user", "full@x.org": "552 5.2.2 full"},
        data={"big@x.org": "552 5.3.4 too big"},
    )
    with PostOffice(script) as office:
        assert run(configured(office)) == {"dead": 3, "sent": 1}
    assert rows("reply") == {
        "gone@x.org": "RCPT: 550 5.1.1 no such user",
        "full@x.org": "RCPT: 552 5.2.2 full",
        "big@x.org": "DATA: 552 5.3.4 too big",
        "fine@x.org": "DATA: 250 2.0.0 OK",
    }
    suppressed = {row.address for row in Subscriber.select() if row.suppressed_at}
    assert suppressed == {"gone@x.org"}


def test_a_hard_bounce_ends_all_mail_to_the_address_until_it_subscribes_again(
    configured, arrive, search_for
):
    search_for("coi", "gone@x.org")
    arrive(subject="coi")
    arrive(subject="coi do'u")
    told = {"gone@x.org": "550 5.1.1 no such user"}
    with PostOffice(by_recipient(rcpt=told)) as office:
        settings = configured(office)
        assert run(settings) == {"dead": 1} and office.envelopes == 1
        assert {row.state for row in Notification.select()} == {"dead"}
        arrive(subject="coi after the bounce")
        assert Notification.select().count() == 2
        told.clear()
        search_for("mi", "gone@x.org")
        arrive(subject="coi again")
        assert run(settings) == {"sent": 1}


def test_fifty_poison_rows_do_not_hold_up_a_good_one(configured, arrive, search_for):
    poison = {
        f"{number}@poison.example": fault
        for number, fault in enumerate([DROP, "451 4.0.0 no"] * 25)
    }
    search_for("coi", *poison, "good@x.org")
    arrive(subject="coi")
    with PostOffice(by_recipient(rcpt=poison)) as office:
        assert run(configured(office)) == {"retried": 50, "sent": 1}
        assert office.recipients == {"good@x.org": 1}


def test_rows_that_cannot_be_made_into_mail_do_not_hold_up_the_others(
    office, configured, arrive, search_for
):
    search_for("coi", "a@x.org", "b@x.org", "c@x.org", "d@x.org", "good@x.org")
    arrive(subject="coi")
    Subscriber.update(address=None).where(Subscriber.address == "a@x.org").execute()
    Subscriber.update(address="b\r\nBcc: z@x.org").where(Subscriber.address == "b@x.org").execute()
    Subscriber.delete().where(Subscriber.address == "c@x.org").execute()
    bad = Subscriber.get(Subscriber.address == "d@x.org").id
    Notification.update(subject=10**9).where(Notification.subscriber == bad).execute()
    assert run(configured(office)) == {"dead": 2, "retried": 1, "cancelled": 1, "sent": 1}
    assert office.recipients == {"good@x.org": 1}
    replies = {row.reply for row in Notification.select()}
    assert "the subscriber has no address" in replies and "the item was deleted" in replies


def test_a_row_that_kills_its_sender_each_time_is_given_up(office, configured, arrive, search_for):
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    Notification.update(attempts=TRIES.max_attempts).execute()
    assert run(configured(office)) == {"dead": 1}
    assert rows("reply") == {"a@x.org": "its sender died each time"}


def test_the_last_try_that_fails_makes_a_row_dead(configured, arrive, search_for):
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    Notification.update(attempts=TRIES.max_attempts - 1).execute()
    with PostOffice(lambda at, recipient: "451 4.0.0 no" if at == "rcpt" else None) as office:
        assert run(configured(office)) == {"dead": 1}
    assert rows("reply") == {"a@x.org": "RCPT: 451 4.0.0 no"}


def test_the_waits_double_with_jitter_up_to_hours():
    waits = TRIES.delays(random.Random(1))
    assert (
        all(30 * 2**n <= wait <= 60 * 2**n for n, wait in enumerate(waits[:7]))
        and max(waits) <= 4 * 3600
    )
    assert sum(waits) > 10 * 3600 and waits != TRIES.delays(random.Random(2))


@pytest.mark.parametrize(
    ("reply", "stage"),
    [("550 5.7.1 sender rejected", "mail"), ("530 5.7.0 authentication required", "mail")],
)
def test_a_refusal_of_us_pauses_the_outbox_and_blames_no_row(
    reply, stage, configured, arrive, search_for
):
    search_for("coi", "a@x.org", "b@x.org")
    arrive(subject="coi")
    told = {stage: reply}
    with PostOffice(lambda at, recipient: told.get(at)) as office:
        settings = configured(office)
        assert run(settings) == {"paused": 1} and office.envelopes == 1
        assert set(rows().values()) == {"waiting"} and set(rows("attempts").values()) == {0}
        assert reply in outbox_status(process_database(), mail_server_mark(settings))["held_up"]
        told.clear()
        assert run(settings) == {"sent": 2}
        assert outbox_status(process_database(), mail_server_mark(settings))["held_up"] == ""


def test_a_domain_that_refuses_by_policy_starves_nobody_else(configured, arrive, search_for):
    strict = [f"s{number}@strict.example" for number in range(1, 6)]
    search_for("coi", *strict, "good@x.org")
    refusal = "550 5.7.1 we do not take mail from your network"
    with PostOffice(by_recipient(rcpt=dict.fromkeys(strict, refusal))) as office:
        settings, start = configured(office), datetime.now(UTC)
        for minute in range(9):
            arrive(subject="coi")
            moment = start + timedelta(minutes=minute, seconds=30)
            assert "paused" not in run(settings, now=lambda moment=moment: moment)
            assert office.recipients["good@x.org"] == minute + 1
        # the first three, then the domain once more after its pause
        assert office.envelopes - 9 <= 3 + 2
        assert outbox_status(process_database(), mail_server_mark(settings))["refusing"] >= 1
        assert outbox_status(process_database(), mail_server_mark(settings))["held_up"] == ""


def test_an_address_that_refuses_by_policy_is_left_alone_and_its_domain_is_not(
    configured, arrive, search_for
):
    search_for("coi", "a@x.org", "picky@x.org", "z@x.org")
    told = {"picky@x.org": "550 5.7.1 not to this mailbox"}
    with PostOffice(by_recipient(data=told)) as office:
        settings = configured(office)
        for count in (1, 2, 3):
            arrive(subject="coi")
            assert run(settings)["sent"] == 2
            assert office.envelopes == 2 * count + 1
        told.clear()
        later = datetime.now(UTC) + timedelta(minutes=10)
        assert run(settings, now=lambda: later) == {"sent": 3}
        assert RecipientPause.select().count() == 0


def test_several_domains_that_refuse_by_policy_pause_the_outbox_when_nobody_accepts(
    configured, arrive, search_for
):
    search_for("coi", *(f"a@{number}.example" for number in range(10)))
    arrive(subject="coi")
    with PostOffice(
        lambda at, recipient: "554 5.7.1 relaying denied" if at == "rcpt" else None
    ) as office:
        settings = configured(office)
        assert run(settings) == {"retried": 6, "paused": 1}
        assert sorted(rows("attempts").values()) == [0] * 4 + [1] * 6
        assert (
            "relaying denied"
            in outbox_status(process_database(), mail_server_mark(settings))["held_up"]
        )


def test_three_domains_that_refuse_pause_the_outbox_only_if_nobody_else_accepts(
    configured, arrive, search_for
):
    strict = dict.fromkeys((f"a@{number}.example" for number in range(3)), "550 5.7.1 no")
    search_for("coi", *strict)
    arrive(subject="coi")
    with PostOffice(by_recipient(rcpt=strict)) as office:
        assert run(configured(office)) == {"retried": 3, "paused": 1}
        resume()
        RecipientPause.delete().execute()
        search_for("mi", "good@x.org")
        arrive(subject="coi mi")
        assert run(configured(office)) == {"retried": 3, "sent": 1}


def test_what_a_recipient_refused_for_days_is_given_up(configured, arrive, search_for):
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    arrive(subject="coi")
    with PostOffice(lambda at, recipient: "550 5.7.1 no" if at == "rcpt" else None) as office:
        settings, now = configured(office), datetime.now(UTC)
        for day in range(6):
            moment = now + timedelta(days=day, minutes=1)
            run(settings, now=lambda moment=moment: moment)
        assert Notification.by_state()["dead"] == 2 and office.envelopes == 6
    assert set(rows("reply").values()) == {"RCPT: 550 5.7.1 no"}


@pytest.mark.parametrize("fault", ["away", "password", "certificate"])
def test_a_server_that_will_not_have_us_pauses_the_outbox(
    fault, configured, arrive, search_for, certified, ca_file
):
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    with PostOffice(starttls=certified("127.0.0.1"), password="right") as office:
        urls = {
            "away": "smtp://127.0.0.1:1",
            "password": f"smtp+starttls://u:hush@127.0.0.1:{office.port}",
            "certificate": f"smtp+starttls://u:right@127.0.0.1:{office.port}",
        }
        changes = {
            "smtp_url": urls[fault],
            "smtp_ca_file": None if fault == "certificate" else ca_file,
        }
        settings = configured(office, **changes)
        assert run(settings) == {"paused": 1}
        held_up = outbox_status(process_database(), mail_server_mark(settings))["held_up"]
        shown = {
            "away": "refused",
            "password": "login refused",
            "certificate": "certificate is not valid",
        }
        assert shown[fault] in held_up and "hush" not in held_up
        assert rows("attempts") == {"a@x.org": 0} and not office.envelopes
        right = f"smtp+starttls://u:right@127.0.0.1:{office.port}"
        mended = configured(office, smtp_url=right, smtp_ca_file=ca_file)
        assert (
            outbox_status(process_database(), mail_server_mark(mended))["held_up"] == ""
        )  # the pause was about other settings
        assert run(mended) == {"sent": 1}


def test_pauses_grow_until_a_mail_is_accepted(configured, arrive, search_for, office):
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    settings = configured(None, smtp_url="smtp://127.0.0.1:1")
    lengths = []
    for _ in range(8):
        run(settings)
        row = NotificationPause.get_by_id(1)
        lengths.append((row.until - datetime.now(UTC)).total_seconds())
    assert 29 < lengths[0] <= 60 and 119 < lengths[2] <= 240 and 1799 < lengths[-1] <= 3600
    assert run(configured(office)) == {"sent": 1} and NotificationPause.select().count() == 0


def test_what_was_unsubscribed_meanwhile_is_not_sent(office, configured, arrive, search_for):
    from mrilu.notifications.subscriptions import unsubscribe

    search_for("coi", "a@x.org", "b@x.org")
    arrive(subject="coi")
    unsubscribe(process_database(), Subscriber.get(Subscriber.address == "a@x.org").id)
    assert run(configured(office)) == {"sent": 1} and office.recipients == {"b@x.org": 1}
    assert rows() == {"a@x.org": "cancelled", "b@x.org": "sent"}
    assert Subscription.select().count() == 1


def test_rates_limit_each_domain_and_all(office, configured, arrive, search_for):
    search_for(
        "coi", *(f"{n}@busy.example" for n in range(20)), *(f"{n}@calm.example" for n in range(3))
    )
    arrive(subject="coi")
    settings = configured(office, domain_rate=5)
    assert run(settings) == {"sent": 8}
    assert sum(count for to, count in office.recipients.items() if "busy" in to) == 5
    later = datetime.now(UTC) + timedelta(seconds=61)
    assert run(settings, now=lambda: later) == {"sent": 5}
    even_later = later + timedelta(seconds=122)
    assert run(configured(office, mail_rate=4), now=lambda: even_later) == {"sent": 4}


def test_mails_of_a_day_to_come_take_nobodys_share_once_the_clock_is_right(
    office, configured, arrive, search_for
):
    search_for("coi", "a@x.org")
    settings = configured(office, mail_rate=2, max_hourly=2)
    for _ in range(2):
        arrive(subject="coi")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert run(settings, now=lambda: tomorrow) == {"sent": 2}
    arrive(subject="coi")
    assert run(settings) == {"sent": 1}


def test_no_subscriber_gets_more_than_the_hours_share_and_nobody_else_waits(
    office, configured, arrive, search_for
):
    search_for("coi", "bombed@x.org")
    for _ in range(5):
        arrive(subject="coi")
    settings = configured(office, max_hourly=3)
    assert run(settings) == {"sent": 3, "capped": 1}
    search_for("coi", "calm@x.org")
    arrive(subject="coi")
    soon = datetime.now(UTC) + timedelta(minutes=2)
    assert run(settings, now=lambda: soon) == {"sent": 1, "capped": 1}
    next_hour = soon + timedelta(minutes=61)
    assert run(settings, now=lambda: next_hour) == {"sent": 3}
    assert office.recipients == {"bombed@x.org": 6, "calm@x.org": 1}


def fork_sender(settings) -> int:
    """A process that sends for ever, as killed ones do; its id."""
    disconnect()
    forget_settings()
    child = os.fork()
    if child == 0:
        try:
            use_settings(settings)
            while True:
                run(settings, lease_seconds=1.0)
        finally:
            os._exit(1)
    return child


def test_kill_9_at_random_moments_loses_nothing_and_repeats_one_mail_a_kill_at_most(
    office, configured, arrive, search_for
):
    search_for("coi", *(f"{number}@x.org" for number in range(400)))
    arrive(subject="coi")
    settings, rng, kills = configured(office), random.Random(4), 5
    for _ in range(kills):
        before, child = len(office.accepted), fork_sender(settings)
        enough, deadline = before + rng.randint(1, 40), time.monotonic() + 20
        while len(office.accepted) < enough and time.monotonic() < deadline:
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    use_settings(settings)
    db, deadline = process_database(), time.monotonic() + 20
    while Notification.by_state()["waiting"] and time.monotonic() < deadline:
        later = datetime.now(UTC) + timedelta(seconds=2)  # when the leases of the dead are over
        run(settings, now=lambda moment=later: moment)
    assert db and Notification.by_state()["sent"] == 400 and len(office.recipients) == 400
    assert office.recipients.total() - 400 <= kills


def test_two_senders_at_once_send_each_row_once(office, configured, arrive, search_for):
    search_for("coi", *(f"{number}@x.org" for number in range(300)))
    arrive(subject="coi")
    settings = configured(office)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                use_settings(settings)
                os._exit(0 if run(settings).get("sent") else 2)
            finally:
                os._exit(1)
        children.append(child)
    exits = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert set(exits) <= {0, 2} and 0 in exits
    disconnect()
    forget_settings()
    use_settings(settings)
    process_database()
    assert office.recipients.total() == len(office.recipients) == 300
    assert Notification.by_state()["sent"] == 300


def test_a_sender_that_outlived_its_lease_does_not_begin_a_mail(
    office, configured, arrive, search_for
):
    from uuid import uuid4

    from mrilu.notifications.outbox import Outbox, Rates

    search_for("coi", "a@x.org")
    arrive(subject="coi")
    db, now, rates = process_database(), datetime.now(UTC), Rates(100, 100, 100)
    slow, quick = Outbox(db, uuid4(), rates), Outbox(db, uuid4(), rates)
    [claim] = slow.claim(now, 10.0, 10)
    assert quick.claim(now, 10.0, 10) == []
    later = now + timedelta(seconds=11)
    assert quick.claim(later, 10.0, 10) == [claim]
    assert not slow.begin(claim.id, later) and quick.begin(claim.id, later)
    assert (
        slow.finish(claim.id, "sent", "", later) == 0
        and quick.finish(claim.id, "sent", "", later) == 1
    )
