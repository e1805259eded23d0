"""Texts to unit vectors. Importing this loads nothing; `load_encoder` does, once a process."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from mrilu.embeddings.chunks import Spans, batches
from mrilu.embeddings.model import EncoderMissing, Model, NotInstalled, verify
from mrilu.embeddings.quiet_openvino import import_openvino

logger = logging.getLogger(__name__)

# Measured: smaller batches pay for each call, larger ones leave the processor's caches.
BATCH_TOKENS = 1024
TORCH_BATCH = 32


class Encoder(Protocol):
    """What embeds texts with one model. One thread may call `encode` while another calls `tokens`."""

    model: Model

    def tokens(self, texts: Sequence[str]) -> list[Spans]:
        """Return the character spans of each text's tokens, marks at the ends left out, however many there are."""

    def encode(self, texts: Sequence[str]) -> Any:
        """Return float32 (len(texts), model.dimensions), each of length 1; what exceeds max_tokens is not read."""


@lru_cache(maxsize=2)
def load_encoder(model: Model, device: str = "auto") -> Encoder:
    """Load the model: on the CPU with OpenVINO where it can compute it, otherwise with torch.

    `device` is auto, cpu, cuda or mps; auto takes a GPU if there is one. A process that has encoded
    must not fork: the child would wait for threads that it has not got.
    Raises NotInstalled while the packages are not there, EncoderMissing when the weights are wrong.
    """
    importlib.invalidate_caches()  # the packages may have been installed since this process started
    verify(model)
    try:
        if device == "cpu" or device == "auto" and not gpu_is_likely():
            return _on_cpu(model)
        return TorchEncoder(model, device)
    except ImportError as error:
        what = f"the packages for meaning are not installed yet ({error.name})"
        raise NotInstalled(f"{what}: see ./run.sh status") from error


def _on_cpu(model: Model) -> Encoder:
    try:
        return OpenVinoEncoder(model)
    except (
        ValueError,
        KeyError,
        FileNotFoundError,
    ) as error:  # what bert.py raises for what it does not compute
        logger.info("model=%s is computed by torch: %s", model.name, error)
    except ImportError as error:
        logger.warning(
            "model=%s is computed by torch, which is slower: no %s here", model.name, error.name
        )
    return TorchEncoder(model, "cpu")


def gpu_is_likely() -> bool:
    """Tell whether this machine shows a GPU that torch may know, without the seconds that importing torch takes."""
    return (
        Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists() or os.uname().sysname == "Darwin"
    )


class OpenVinoEncoder:
    """Encodes in fp32 on the CPU: one stream a core, batches of alike lengths."""

    def __init__(self, model: Model) -> None:
        import numpy
        from tokenizers import Tokenizer

        from mrilu.embeddings.bert import build

        openvino = import_openvino()
        self.model = model
        self._numpy = numpy
        self._tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        cores = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
        # Without the hint, processors with bf16 units would compute in bf16: other vectors.
        rules = {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": str(cores),
            "INFERENCE_NUM_THREADS": cores,
        }
        self._compiled = openvino.Core().compile_model(build(model.folder), "CPU", rules)
        self._requests = openvino.AsyncInferQueue(self._compiled, 2 * cores)
        logger.info("model=%s loaded with=openvino streams=%d", model.name, cores)

    def tokens(self, texts: Sequence[str]) -> list[Spans]:
        """Return the character spans of each text's tokens."""
        return [
            one.offsets
            for one in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ]

    def encode(self, texts: Sequence[str]) -> Any:
        """Return float32 (len(texts), model.dimensions), each of length 1."""
        np = self._numpy
        coded = [self._cut(one.ids) for one in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(texts), self.model.dimensions), np.float32)

        def keep(request: Any, rows: list[int]) -> None:
            vectors[rows] = request.get_output_tensor().data

        self._requests.set_callback(keep)
        for rows in batches([len(ids) for ids in coded], BATCH_TOKENS):
            self._requests.start_async(self._padded([coded[row] for row in rows]), rows)
        self._requests.wait_all()
        return vectors

    def _cut(self, ids: list[int]) -> list[int]:
        return (
            ids
            if len(ids) <= self.model.max_tokens
            else [*ids[: self.model.max_tokens - 1], ids[-1]]
        )

    def _padded(self, coded: Sequence[Sequence[int]]) -> dict[int, Any]:
        """Return the graph's two inputs, int64 (texts, tokens of the longest)."""
        np = self._numpy
        ids = np.zeros((len(coded), max(map(len, coded))), np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(coded):
            ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        return {0: ids, 1: mask}


class TorchEncoder:
    """Encodes with sentence-transformers: any architecture, any device."""

    def __init__(self, model: Model, device: str) -> None:
        from sentence_transformers import SentenceTransformer

        chosen = None if device == "auto" else device
        self.model = model
        try:
            self._transformer: Any = SentenceTransformer(
                str(model.folder), device=chosen, local_files_only=True
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise EncoderMissing(
                f"EMBEDDING_MODEL: {model.folder} cannot be loaded: {type(error).__name__}"
            ) from error
        self._alone = threading.Lock()  # its tokenizer raises when two threads set its truncation
        logger.info("model=%s loaded with=torch device=%s", model.name, self._transformer.device)

    def tokens(self, texts: Sequence[str]) -> list[Spans]:
        """Return the character spans of each text's tokens."""
        asked = {
            "add_special_tokens": False,
            "return_offsets_mapping": True,
            "truncation": False,
            "verbose": False,
        }
        with self._alone:
            return self._transformer.tokenizer(list(texts), **asked)["offset_mapping"]

    def encode(self, texts: Sequence[str]) -> Any:
        """Return float32 (len(texts), model.dimensions), each of length 1."""
        import numpy as np

        asked = {
            "batch_size": TORCH_BATCH,
            "normalize_embeddings": True,
            "show_progress_bar": False,
        }
        with self._alone:
            found = self._transformer.encode(list(texts), **asked)
        return np.asarray(found, np.float32)
