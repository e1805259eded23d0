from dataclasses import replace

import pytest

from models import EmbeddingModel
from mrilu.embeddings.model import EncoderMissing
from mrilu.search import query_vector
from tests.embeddings.made import FakeEncoder


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> FakeEncoder:
    made = FakeEncoder()
    monkeypatch.setattr(query_vector, "find_model", lambda source: made.model)
    monkeypatch.setattr(query_vector, "load_encoder", lambda model, device: made)
    query_vector._encode.cache_clear()
    return made


def row(encoder: FakeEncoder) -> EmbeddingModel:
    return EmbeddingModel(
        name=encoder.model.name, source=encoder.model.source, dimensions=encoder.model.dimensions
    )


def test_the_next_page_of_a_query_does_not_encode_it_again(encoder):
    first = query_vector.encode_query(row(encoder), "cats")
    assert (
        query_vector.encode_query(row(encoder), "cats") == first
        and len(first) == encoder.model.dimensions
    )
    assert encoder.encoded == ["cats"]


def test_a_model_that_is_not_the_one_of_the_vectors_is_refused(encoder):
    stored = row(encoder)
    encoder.model = replace(encoder.model, name="other@2")
    with pytest.raises(EncoderMissing, match="another model now"):
        query_vector.encode_query(stored, "cats")
