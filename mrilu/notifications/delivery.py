"""Sends what is due, one mail after another over one connection, and records what became of each."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rq.timeouts import JobTimeoutException

from mrilu.notifications.compose import compose
from mrilu.notifications.emails import Email, Site, read_emails
from mrilu.notifications.outbox import Claim, Outbox
from mrilu.notifications.pause import AWAY, REFUSED, begin_pause, end_pause
from mrilu.notifications.recipients import Recipients
from mrilu.notifications.smtp import (
    NotAccepted,
    Session,
    SessionBroken,
    SessionRefused,
    SessionUnavailable,
    Verdict,
    verdict,
)
from mrilu.runtime.retry import RetryPolicy

logger = logging.getLogger(__name__)

# A greylisting server says yes after minutes, one that is ill after hours: the tries spread over a day.
TRIES = RetryPolicy(max_attempts=14, initial_delay=60.0, max_delay=4 * 3600.0)
BATCH = 200
FLUSH_SECONDS = 0.02
# Domains that refuse by policy, with no mail accepted in between: so many pause the outbox when no other domain is left
# to try, and so many at once.
REFUSING_DOMAINS, TOO_MANY_DOMAINS = 3, 6


class QueuePaused(Exception):
    """The mail server takes no mail from us: the outbox is paused."""


@dataclass
class Delivery:
    """One run of the sender. `seconds` is how long it may go on claiming; the clocks are for tests."""

    outbox: Outbox
    site: Site
    connect: Callable[[], Session]
    about: str  # which settings a pause is about
    seconds: float = 45.0
    lease_seconds: float = 400.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    rng: random.Random = field(default_factory=random.Random)  # spreads load, guards nothing
    counts: Counter[str] = field(default_factory=Counter)
    ahead: dict[int, bytes] = field(
        default_factory=dict
    )  # the next mail, made while the server looks at an envelope
    session: Session | None = None
    recipients: Recipients = field(init=False)
    refusal: str = ""  # the last by policy
    flushed: float = 0.0

    def __post_init__(self) -> None:
        self.recipients = Recipients(self.outbox.db, self.rng)

    def run(self) -> Counter[str]:
        """Send until nothing is due, the time is over, a rate is reached or the outbox is paused."""
        end = self.monotonic() + self.seconds
        try:
            self.outbox.gather_digests(self.now())
            while self.monotonic() < end:
                claims = self.outbox.claim(self.now(), self.lease_seconds, BATCH)
                if not claims:
                    break
                self._send_batch(claims, end)
            if len(self.recipients.refusing) >= REFUSING_DOMAINS:
                raise self._pause(self.refusal, REFUSED)
        except QueuePaused as error:
            self.counts["paused"] = 1
            logger.warning("outbox paused: %s", error)
        finally:
            if self.session is not None:
                self.session.close()
        if self.outbox.capped:
            self.counts["capped"] = len(self.outbox.capped)
            shown = sorted(self.outbox.capped)[:20]
            logger.error("mail waits: over MAX_HOURLY subscribers=%s", shown)
        return self.counts

    def _send_batch(self, claims: list[Claim], end: float) -> None:
        """Send a batch; what it could not begin before the time or half of the lease is over is given back."""
        end = min(end, self.monotonic() + self.lease_seconds / 2)
        emails = {
            email.id: email
            for email in read_emails(self.outbox.connection, [one.id for one in claims])
        }
        waiting = list(claims)
        try:
            while waiting and self.monotonic() < end:
                following = emails.get(waiting[1].id) if len(waiting) > 1 else None
                self._send_claim(waiting[0], emails.get(waiting[0].id), following)
                waiting.pop(0)
        finally:
            self.outbox.release(waiting, self.now())

    def _send_claim(self, claim: Claim, email: Email | None, following: Email | None) -> None:
        """Send one mail. Whatever is wrong with it stays its own matter; only a pause goes on to the caller."""
        reason = _why_not(email)
        if email is None or reason:
            self._finish(claim, "cancelled" if email is None or not email.items else "dead", reason)
        elif claim.attempts >= TRIES.max_attempts:
            self._finish(claim, "dead", "its sender died each time")
        elif self.recipients.is_paused(email.address or "", self.now()):
            self.outbox.release([claim], self.now())  # the next claim leaves it out
        else:
            session = self._open()
            if self.outbox.begin(claim.id, self.now(), email.rows):
                self._send_email(session, claim, email, following)

    def _send_email(
        self, session: Session, claim: Claim, email: Email, following: Email | None
    ) -> None:
        try:
            raw = self.ahead.pop(email.id, None) or self._composed(email)
        except JobTimeoutException:
            raise
        except Exception as error:
            logger.exception("notification cannot be made id=%d", claim.id)
            self._try_later(claim, f"{type(error).__name__}: {error}")
            return
        try:
            reply = self._deliver(session, email, raw, lambda: self._compose_ahead(following))
        except NotAccepted as error:
            self._judge(claim, email, error)
        except SessionBroken as error:
            self.session = None
            self._try_later(claim, str(error))
        else:
            self._accepted(claim, email, str(reply))

    def _composed(self, email: Email) -> bytes:
        return compose(email, self.site, self.now()).as_bytes()

    def _compose_ahead(self, email: Email | None) -> None:
        """Make the next mail; one that cannot be made is looked into when it is its turn."""
        self.ahead.clear()
        if email is None or _why_not(email):
            return
        try:
            self.ahead[email.id] = self._composed(email)
        except JobTimeoutException:
            raise
        except Exception as error:
            logger.debug("notification cannot be made ahead id=%d error=%s", email.id, error)

    def _open(self) -> Session:
        """Return the session, opened if there is none; a server that refuses us pauses the outbox."""
        if self.session is None:
            try:
                self.session = self.connect()
            except SessionRefused as error:
                raise self._pause(str(error), REFUSED) from error
            except SessionUnavailable as error:
                raise self._pause(str(error), AWAY) from error
        return self.session

    def _deliver(
        self, session: Session, email: Email, raw: bytes, while_waiting: Callable[[], None]
    ) -> object:
        """Hand the mail over; a session that the server closed between two mails is opened again, once."""
        sender, recipient = self.site.envelope_sender(email.key), email.address or ""
        try:
            return session.deliver(sender, recipient, raw, while_waiting, email.key.hex)
        except SessionBroken as error:
            self.session = None
            if error.stage != "mail" or not session.sent:
                raise
            return self._open().deliver(sender, recipient, raw, envelope_id=email.key.hex)

    def _accepted(self, claim: Claim, email: Email, reply: str) -> None:
        """Mark the mail as sent. Each FLUSH_SECONDS the mark waits for the disk, and takes those before it along."""
        durable = self.monotonic() - self.flushed >= FLUSH_SECONDS
        rows = self.outbox.finish(claim.id, "sent", reply, self.now(), durable=durable)
        if durable:
            self.flushed = self.monotonic()
        if not rows:
            logger.error("notification was sent after its lease id=%d", claim.id)
        if not self.counts["sent"]:
            end_pause()
        self.recipients.accepted(email.address or "")
        self.counts["sent"] += 1

    def _judge(self, claim: Claim, email: Email, error: NotAccepted) -> None:
        """Do what the server's reply asks for."""
        kind = verdict(error.reply)
        if kind is Verdict.BOUNCE:
            self.outbox.suppress(email.subscriber, str(error), self.now())
            logger.warning("subscriber suppressed id=%d reply=%s", email.subscriber, error)
            self.counts["dead"] += 1
        elif kind is Verdict.DEAD:
            self._finish(claim, "dead", str(error))
        elif kind is Verdict.REFUSED:
            self.outbox.retry(claim.id, self.now(), str(error), counted=False)
            raise self._pause(str(error), REFUSED)
        elif kind is Verdict.POLICY:
            self._refused(claim, email, error)
        else:
            self._try_later(claim, str(error))

    def _refused(self, claim: Claim, email: Email, error: NotAccepted) -> None:
        """Leave the recipient alone for a while; if one domain after another refuses, it is us whom they refuse."""
        self._try_later(claim, str(error))
        self.refusal = str(error)
        given_up = self.recipients.refused(email.address or "", self.refusal, self.now())
        if given_up:
            self.counts["dead"] += given_up
        logger.warning(
            "refused by policy subscriber=%d given_up=%d reply=%s",
            email.subscriber,
            given_up,
            error,
        )
        if len(self.recipients.refusing) >= TOO_MANY_DOMAINS:
            raise self._pause(self.refusal, REFUSED)

    def _finish(self, claim: Claim, state: str, reason: str) -> None:
        self.outbox.finish(claim.id, state, reason, self.now())
        self.counts[state] += 1

    def _try_later(self, claim: Claim, reason: str) -> None:
        """Give the row back for a later try; after the last try it is dead."""
        if claim.attempts + 1 >= TRIES.max_attempts:
            self._finish(claim, "dead", reason)
            return
        wait = TRIES.delays(self.rng)[claim.attempts]
        self.outbox.retry(claim.id, self.now() + timedelta(seconds=wait), reason[:500])
        self.counts["retried"] += 1

    def _pause(self, reason: str, first: timedelta) -> QueuePaused:
        until = begin_pause(reason, first, self.about, self.now(), self.rng)
        return QueuePaused(f"{reason} (until {until:%Y-%m-%d %H:%M} UTC)")


def _why_not(email: Email | None) -> str:
    """Return why an email is not to be sent; "" when it is."""
    if email is None or not email.items:
        return "the item was deleted"
    if email.suppressed and not email.is_confirmation:
        return email.suppressed
    return "" if email.address else "the subscriber has no address"
