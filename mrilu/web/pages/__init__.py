"""Rows turned into what a template shows. Pure."""
