"""The vector of a query, by the model whose vectors are searched; loaded at the first query, kept for the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from models import EmbeddingModel
from mrilu.embeddings.encoder import load_encoder
from mrilu.embeddings.model import EncoderMissing, find_model

REMEMBERED = 256  # queries: each page of one query asks again

# Gives the vector of a text; raises EncoderMissing with the reason for a person.
QueryEncoder = Callable[[EmbeddingModel, str], Sequence[float]]

_alone = threading.Lock()  # a web server asks from several threads, an encoder works for one


def encode_query(model: EmbeddingModel, text: str, device: str = "auto") -> Sequence[float]:
    """Return the vector of `text` as floats of length 1 together. Raises EncoderMissing.

    The first call loads the model (half a second on a CPU); after it this process must not fork.
    """
    with _alone:
        return _encode(model.name, model.source, text, device)


@lru_cache(maxsize=REMEMBERED)
def _encode(name: str, source: str, text: str, device: str) -> Sequence[float]:
    found = find_model(source)
    if found.name != name:
        raise EncoderMissing(f"the vectors are those of {name}, and {source} is another model now")
    vectors: Any = load_encoder(found, device).encode([text])
    return vectors[0].tolist()
