"""Meaning: texts to embed, the model that embeds them, and what still waits for it."""
