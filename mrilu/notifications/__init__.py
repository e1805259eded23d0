"""Notifications by e-mail: subscriptions, the outbox that events write, and how its rows become mail."""
