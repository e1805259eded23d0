"""Web pages, downloads, metrics and health; read-only but for giving up a subscription."""
