"""The dictionary: exports of jbovlaste and lensisku to entries (pure), and these to its tables."""
