"""The real encoder, on a few texts."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mrilu.embeddings import encoder as module
from mrilu.embeddings.model import (
    PACKAGED,
    PACKAGED_FILES,
    EncoderMissing,
    NotInstalled,
    find_model,
    verify,
)
from mrilu.settings.table import PROJECT

pytest.importorskip(
    "openvino", reason="the packages of requirements.txt's second part are not installed"
)
pytestmark = [pytest.mark.real_model, pytest.mark.filterwarnings("ignore")]

# What the graph reads of config.json, other than what a test changes.
COMMON = {"hidden_size": 384, "num_attention_heads": 12, "num_hidden_layers": 6, "vocab_size": 30522,
          "max_position_embeddings": 512}  # fmt: skip
TEXTS = [
    "cat. x1 is a cat of breed x2",
    "a",
    "",
    "How do I read a very large file into R?\n" * 40,
    "la'e di'u na jetnu .i xu do jimpe",
    "日本語の文章 Ünïcödé 🙂",
]


@pytest.fixture(scope="module", autouse=True)
def _memory():
    """An import job that ran in this process before has limited its memory for good, as it does in its worker."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture(scope="module")
def packaged():
    return find_model(PACKAGED)


@pytest.fixture(scope="module")
def fast(packaged):
    return module.load_encoder(packaged, "cpu")


@pytest.fixture(scope="module")
def plain(packaged):
    return module.TorchEncoder(packaged, "cpu")


def test_the_fast_encoder_gives_the_vectors_of_sentence_transformers(fast, plain):
    ours, theirs = fast.encode(TEXTS), plain.encode(TEXTS)
    assert isinstance(fast, module.OpenVinoEncoder) and ours.shape == (len(TEXTS), 384)
    assert ((ours * theirs).sum(1) >= 0.9999).all()
    assert abs((ours**2).sum(1) - 1).max() < 1e-5


def test_the_order_and_the_company_of_texts_change_no_vector(fast):
    together, alone = fast.encode(TEXTS), [fast.encode([text])[0] for text in TEXTS]
    assert all((one * other).sum() > 0.9999 for one, other in zip(together, alone, strict=True))


def test_both_encoders_agree_on_where_tokens_are(fast, plain):
    assert [list(map(tuple, one)) for one in plain.tokens(TEXTS)] == [
        list(one) for one in fast.tokens(TEXTS)
    ]


def test_near_meanings_are_nearer_than_far_ones(fast):
    cat, kitten, tax = fast.encode(["a cat", "a kitten", "income tax law"])
    assert (cat * kitten).sum() > 0.6 > (cat * tax).sum() + 0.3


def copied(packaged, folder: Path) -> Path:
    shutil.copytree(packaged.folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "model.safetensors").symlink_to(packaged.folder / "model.safetensors")
    return folder


def test_an_architecture_that_the_graph_does_not_compute_is_left_to_torch(
    packaged, tmp_path, plain
):
    folder = copied(packaged, tmp_path / "other")
    config = json.loads((folder / "1_Pooling" / "config.json").read_text())
    config |= {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    found = module.load_encoder(find_model(str(folder)), "cpu")
    assert isinstance(found, module.TorchEncoder) and found.encode(["a cat"]).shape == (1, 384)


def test_weights_of_another_shape_are_refused(packaged, tmp_path):
    from mrilu.embeddings.bert import build

    folder = copied(packaged, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 7}))
    with pytest.raises(ValueError, match="has the shape"):
        build(folder)


@pytest.mark.parametrize("name", ["modules.json", "config.json"])
def test_a_folder_that_the_graph_cannot_be_made_of_is_left_to_torch(
    packaged, tmp_path, monkeypatch, name
):
    folder = copied(packaged, tmp_path / "other")
    model = find_model(str(folder))
    broken = (
        "{"
        if name == "modules.json"
        else json.dumps({"model_type": "bert", "intermediate_size": 7} | COMMON)
    )
    (folder / name).write_text(broken)
    monkeypatch.setattr(module, "TorchEncoder", lambda model, device: (model, device))
    assert module.load_encoder(model, "cpu") == (model, "cpu")


def test_a_folder_that_torch_cannot_load_either_is_named(packaged, tmp_path):
    folder = copied(packaged, tmp_path / "other")
    model = find_model(str(folder))
    (folder / "modules.json").write_text("{")
    with pytest.raises(EncoderMissing, match="EMBEDDING_MODEL: .* cannot be loaded"):
        module.TorchEncoder(model, "cpu")


@pytest.mark.parametrize(
    ("device", "gpu", "chosen"),
    [
        ("auto", False, "openvino"),
        ("auto", True, "torch on auto"),
        ("cpu", True, "openvino"),
        ("cuda", False, "torch on cuda"),
    ],
)
def test_auto_takes_torch_where_a_gpu_is_likely_and_the_cpu_is_openvino_s(
    packaged, monkeypatch, device, gpu, chosen
):
    model = replace(packaged, name=f"{device} {gpu}")  # an encoder is kept for its model and device
    monkeypatch.setattr(module, "gpu_is_likely", lambda: gpu)
    monkeypatch.setattr(module, "OpenVinoEncoder", lambda model: "openvino")
    monkeypatch.setattr(module, "TorchEncoder", lambda model, device: f"torch on {device}")
    assert module.load_encoder(model, device) == chosen


@pytest.mark.parametrize("device", ["auto", "cuda", "mps"])
def test_torch_chooses_the_device_itself_unless_it_is_named(packaged, monkeypatch, device):
    asked = []

    class Transformer:
        device = "here"

        def __init__(self, folder, **how):
            asked.append(how["device"])

    monkeypatch.setattr("sentence_transformers.SentenceTransformer", Transformer)
    module.TorchEncoder(packaged, device)
    assert asked == [None if device == "auto" else device]


@pytest.mark.parametrize(
    ("there", "system", "likely"),
    [
        ("/dev/nvidia0", "Linux", True),
        ("/dev/kfd", "Linux", True),
        ("", "Darwin", True),
        ("", "Linux", False),
    ],
)
def test_a_gpu_is_likely_by_its_device_file_or_on_a_mac(monkeypatch, there, system, likely):
    monkeypatch.setattr(module.Path, "exists", lambda path: str(path) == there)
    monkeypatch.setattr(module.os, "uname", lambda: SimpleNamespace(sysname=system))
    assert module.gpu_is_likely() is likely


@pytest.mark.parametrize("name", sorted(PACKAGED_FILES))
def test_any_file_of_the_model_that_is_not_the_pinned_one_is_refused(packaged, tmp_path, name):
    folder = tmp_path / "tampered"
    for one in PACKAGED_FILES:
        (folder / one).parent.mkdir(parents=True, exist_ok=True)
        (folder / one).symlink_to(packaged.folder / one)
    assert verify(replace(packaged, folder=folder))
    (folder / name).unlink()
    with pytest.raises(EncoderMissing, match=f"{name} .*reinstall"):
        verify(replace(packaged, folder=folder))
    (folder / name).write_bytes((packaged.folder / name).read_bytes() + b" ")
    with pytest.raises(EncoderMissing, match=f"{name} of .* not the pinned one"):
        verify(replace(packaged, folder=folder))


def test_weights_that_are_not_the_pinned_ones_are_refused(packaged, tmp_path):
    folder = tmp_path / "tampered"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"other")
    with pytest.raises(EncoderMissing, match="not the pinned one"):
        verify(replace(packaged, folder=folder))


def test_a_folder_is_named_by_its_content(packaged, tmp_path):
    first = find_model(str(copied(packaged, tmp_path / "one" / "model")))
    same = find_model(str(copied(packaged, tmp_path / "two" / "model")))
    other = copied(packaged, tmp_path / "three" / "model")
    (other / "config_sentence_transformers.json").write_text('{"prompts": {}}')
    assert first.name == same.name != find_model(str(other)).name
    assert (first.dimensions, first.max_tokens) == (384, 256)


def test_a_model_that_is_not_there_is_named(tmp_path, monkeypatch):
    with pytest.raises(EncoderMissing, match="EMBEDDING_MODEL"):
        find_model(str(tmp_path / "nowhere"))
    monkeypatch.setattr("mrilu.embeddings.model.find_spec", lambda name: None)
    find_model.cache_clear()
    with pytest.raises(NotInstalled, match="not installed yet"):
        find_model(PACKAGED)


# openvino's import reports to an analytics service from a forked process, unless it is kept from it.
ALONE = """
import multiprocessing, os, socket, sys
def refuse(*arguments, **options):
    os.write(2, b"a connection or a process")
    os._exit(3)
socket.getaddrinfo = socket.socket.connect = os.fork = os.posix_spawn = multiprocessing.Process.start = refuse
from mrilu.embeddings.encoder import load_encoder
from mrilu.embeddings.model import PACKAGED, find_model
load_encoder(find_model(PACKAGED), "cpu").encode(["a cat"])
assert "torch" not in sys.modules
"""


def test_encoding_on_the_cpu_needs_no_torch_forks_no_process_and_tells_nobody():
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
