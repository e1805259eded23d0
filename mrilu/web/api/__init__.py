"""The JSON beside the pages: rows as mrilu/openapi describes them. Pure."""
