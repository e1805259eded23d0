"""Notifications: confirmed subscriptions, languages, operators; recipients that refuse; bounces that come later."""

STATEMENTS = """
-- One row while an address ("a@x.org") or a whole domain ("x.org") refuses our mail by policy; others go on.
CREATE TABLE recipient_pause (
    recipient text PRIMARY KEY,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    times integer NOT NULL
);

-- A delivery report (RFC 3464) that says a notification was not delivered after it had been accepted. One each, so
-- that a report that is read twice counts once. No foreign keys: notifications expire.
CREATE TABLE bounce (
    notification bigint PRIMARY KEY,
    subscriber bigint NOT NULL,
    hard boolean NOT NULL,
    status text NOT NULL,
    diagnostic text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX bounce_subscriber ON bounce (subscriber);

-- Delivery reports in archived Maildirs that nobody has read as such yet.
CREATE TABLE delivery_report (
    message bigint PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT now()
);

-- Files of BOUNCE_MAILDIR that were looked at, by their unique name: nothing is moved in it.
CREATE TABLE bounce_file (
    name text PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);

SET LOCAL lock_timeout = '1s';
-- The hour of the subscriber's zone at which a daily digest is due.
ALTER TABLE subscriber
    ADD COLUMN digest_hour smallint NOT NULL DEFAULT 0 CHECK (digest_hour BETWEEN 0 AND 23);

-- languages: of definitions; none means all. conditions: the query has operators that `search` alone does not hold.
-- confirmed_at is NULL until the subscriber has said yes. Kind "words": every word that is new in a language.
ALTER TABLE subscription
    ADD COLUMN languages text[] NOT NULL DEFAULT '{}',
    ADD COLUMN conditions boolean NOT NULL DEFAULT false,
    ADD COLUMN confirmed_at timestamptz DEFAULT now(),
    DROP CONSTRAINT subscription_kind_check,
    ADD CONSTRAINT subscription_kind_check CHECK (kind IN ('word', 'words', 'thread', 'query')) NOT VALID;

-- Kind "confirm" asks for a confirmation; its subject is the subscription's id, negative: it is no message's.
ALTER TABLE notification
    DROP CONSTRAINT notification_kind_check,
    ADD CONSTRAINT notification_kind_check CHECK (kind IN ('word', 'thread', 'query', 'confirm')) NOT VALID;
CREATE INDEX subscription_conditions ON subscription (id) WHERE conditions;
-- Of mails that went out: a row that waits costs nothing here.
CREATE INDEX notification_key ON notification (message_key) WHERE state IN ('sent', 'dead');
"""


def up(migrator, db):
    """Create and add everything; `migrator` and `db` come from playhouse.migrations."""
    db.execute_sql(STATEMENTS)
