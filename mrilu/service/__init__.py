"""The one-machine default: embedded PostgreSQL and Valkey, and the supervisor that keeps everything running."""
