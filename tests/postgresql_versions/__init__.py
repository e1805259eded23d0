"""The whole service on each version of PostgreSQL that can be had: `python -m tests.postgresql_versions`."""
