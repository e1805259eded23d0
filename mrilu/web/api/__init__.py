"""The JSON beside the pages: one table of what there is, its OpenAPI description, and rows turned into JSON. Pure."""
