"""The computation of a BERT sentence encoder as an OpenVINO graph, from the model's own files; no torch.

The model is that of Devlin et al. 2018 with mean or first-token pooling (Reimers & Gurevych 2019), in fp32.
Weights have the names that Hugging Face's BertModel gives them; a missing one or another shape is an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrilu.embeddings.quiet_openvino import import_openvino

KNOWN = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
MODULES = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
FAR_BELOW = np.float32(1e9)  # what is taken from the attention to padding


class UnknownArchitecture(ValueError):
    """The model is not a BERT encoder with mean or first-token pooling."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or self.__doc__)


def pooling_of(folder: Path) -> str:
    """Return "mean" or "cls". Raises UnknownArchitecture for a model that this module does not compute."""
    config = json.loads((folder / "config.json").read_text())
    types = [
        one["type"].rpartition(".")[2] for one in json.loads((folder / "modules.json").read_text())
    ]
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    modes = {
        key.removeprefix("pooling_mode_")
        for key, on in pooling.items()
        if key.startswith("pooling_mode_") and on
    }
    known = {"mean_tokens": "mean", "cls_token": "cls"}
    if any(config.get(key, value) != value for key, value in KNOWN.items()) or types not in MODULES:
        raise UnknownArchitecture()
    if len(modes) != 1 or not modes <= set(known):
        raise UnknownArchitecture()
    return known[modes.pop()]


def build(folder: Path) -> Any:
    """Return the openvino.Model: input_ids and attention_mask, int64 (n, tokens) -> unit vectors, float32 (n, size).

    Raises UnknownArchitecture, for weights of another shape, too; KeyError for those that are missing.
    """
    from safetensors.numpy import load_file

    openvino = import_openvino()

    pooling = pooling_of(folder)
    graph = _Graph(
        json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")
    )
    ids = graph.op.parameter([-1, -1], np.int64, name="input_ids")
    mask = graph.op.parameter([-1, -1], np.int64, name="attention_mask")
    kept = graph.op.convert(mask, "f32")
    states = graph.embedded(ids)
    hidden = graph.axes(
        graph.op.multiply(graph.op.subtract(kept, graph.number(1.0)), graph.constant(FAR_BELOW)),
        1,
        2,
    )
    for layer in range(graph.layers):
        states = graph.layer(states, hidden, f"encoder.layer.{layer}.")
    pooled = (
        graph.mean(states, kept)
        if pooling == "mean"
        else graph.op.gather(states, graph.at(0), graph.at(1))
    )
    return openvino.Model(
        [graph.op.normalize_l2(pooled, graph.axis_list(1), 1e-12, "max")], [ids, mask], folder.name
    )


class _Graph:
    """Makes the nodes of one model; `op` are OpenVINO's operations."""

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
        import_openvino()
        from openvino import opset13

        self.op = opset13
        self.weights = weights
        self.size, self.heads = config["hidden_size"], config["num_attention_heads"]
        self.layers, self.wide = config["num_hidden_layers"], config["intermediate_size"]
        self.epsilon = config.get("layer_norm_eps", 1e-12)
        self.words, self.places = config["vocab_size"], config["max_position_embeddings"]

    def constant(self, values: Any) -> Any:
        return self.op.constant(np.asarray(values))

    def number(self, value: float) -> Any:
        return self.constant(np.float32(value))

    def at(self, value: int) -> Any:
        return self.constant(np.int64(value))

    def axis_list(self, *axes: int) -> Any:
        return self.constant(np.array(axes, np.int64))

    def axes(self, node: Any, *places: int) -> Any:
        """Insert axes of length 1."""
        return self.op.unsqueeze(node, self.axis_list(*places))

    def weight(self, name: str, *shape: int) -> Any:
        values = self.weights[name]
        if values.shape != shape:
            raise UnknownArchitecture(f"{name} has the shape {values.shape}, not {shape}")
        return np.asarray(values, np.float32)

    def embedded(self, ids: Any) -> Any:
        """Sum word, position and first-type embeddings, normalised: (n, tokens) -> (n, tokens, size)."""
        words = self.constant(
            self.weight("embeddings.word_embeddings.weight", self.words, self.size)
        )
        places = self.weight("embeddings.position_embeddings.weight", self.places, self.size)
        types = self.weights["embeddings.token_type_embeddings.weight"][0]
        length = self.op.gather(self.op.shape_of(ids), self.axis_list(1), self.at(0))
        first = self.op.slice(
            self.constant(places + types),
            self.axis_list(0),
            length,
            self.axis_list(1),
            self.axis_list(0),
        )
        return self.normal(
            self.op.add(self.op.gather(words, ids, self.at(0)), first), "embeddings.LayerNorm"
        )

    def normal(self, node: Any, name: str) -> Any:
        centred = self.op.mvn(node, self.axis_list(-1), True, self.epsilon, "INSIDE_SQRT")
        scaled = self.op.multiply(centred, self.constant(self.weight(f"{name}.weight", self.size)))
        return self.op.add(scaled, self.constant(self.weight(f"{name}.bias", self.size)))

    def dense(self, node: Any, name: str, out: int, into: int) -> Any:
        weight = self.constant(self.weight(f"{name}.weight", out, into))
        product = self.op.matmul(node, weight, False, True)
        return self.op.add(product, self.constant(self.weight(f"{name}.bias", out)))

    def layer(self, states: Any, hidden: Any, name: str) -> Any:
        """One transformer layer: attention over what is not padding, then two dense layers."""
        attended = self.dense(
            self.attention(states, hidden, f"{name}attention.self."),
            f"{name}attention.output.dense",
            self.size,
            self.size,
        )
        states = self.normal(self.op.add(attended, states), f"{name}attention.output.LayerNorm")
        inner = self.op.gelu(
            self.dense(states, f"{name}intermediate.dense", self.wide, self.size), "erf"
        )
        outer = self.dense(inner, f"{name}output.dense", self.size, self.wide)
        return self.normal(self.op.add(outer, states), f"{name}output.LayerNorm")

    def attention(self, states: Any, hidden: Any, name: str) -> Any:
        query, key, value = (
            self.split(self.dense(states, f"{name}{part}", self.size, self.size))
            for part in ("query", "key", "value")
        )
        joined = self.op.scaled_dot_product_attention(query, key, value, hidden)
        beside = self.op.transpose(joined, self.axis_list(0, 2, 1, 3))
        return self.op.reshape(beside, self.axis_list(0, 0, self.size), True)

    def split(self, node: Any) -> Any:
        """(n, tokens, size) -> (n, heads, tokens, size / heads)."""
        parts = self.op.reshape(
            node, self.axis_list(0, 0, self.heads, self.size // self.heads), True
        )
        return self.op.transpose(parts, self.axis_list(0, 2, 1, 3))

    def mean(self, states: Any, kept: Any) -> Any:
        """Average over the tokens that are not padding: (n, tokens, size) -> (n, size)."""
        weights = self.axes(kept, 2)
        summed = self.op.reduce_sum(self.op.multiply(states, weights), self.axis_list(1))
        return self.op.divide(summed, self.op.reduce_sum(weights, self.axis_list(1)))
