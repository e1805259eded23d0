"""Web pages, downloads, metrics and health. Readers change their subscriptions alone, operators what they may."""
