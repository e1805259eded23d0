"""Writing parsed mail to PostgreSQL: what to do with each file, messages, files and threads."""
