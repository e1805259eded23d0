"""The description of the JSON beside the pages: one table of what there is, and its OpenAPI document. Pure."""
