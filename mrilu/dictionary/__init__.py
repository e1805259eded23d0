"""Reading jbovlaste's XML exports. Pure: bytes in, entries out."""
