import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from gguf import GGMLQuantizationType, GGUFReader

from sandbox.refused import Refused
from tests.training.material import Exported
from training import fidelity
from training.encode import Rows
from training.fidelity import BARS, Fidelity
from training.progress import Progress


def test_every_file_answers_as_the_trained_model(exported: Exported) -> None:
    found = exported.fidelity
    print({role: entry.mean for role, entry in found.items()})
    assert found["adapter"].mean <= 1e-5
    assert found["f16"].mean <= 1e-5
    assert found["q8_0"].mean <= 5e-3
    assert found["q4_k_m"].mean < 0.1
    assert all(entry.positions > 300 for entry in found.values())
    assert found["f16"].same > 0.99


def test_the_bars_have_teeth(base: Path, rows: Rows, exported: Exported) -> None:
    """The base without its adapter is not the trained model."""
    bare = {"f16": base / "base.gguf"}
    found = fidelity.compare(
        exported.export.merged, base / "base.gguf", bare, rows.folder / "eval.npz"
    )
    assert found["f16"].mean > 100 * BARS["f16"]
    with pytest.raises(Refused, match=r"The f16 file does not answer as the trained model"):
        fidelity.judge({**exported.fidelity, **found})
    nothing = replace(exported.fidelity["f16"], mean=float("nan"))
    with pytest.raises(Refused, match="q8_0"):
        fidelity.judge({**exported.fidelity, "q8_0": nothing})


def test_files_are_of_the_kind_their_names_say(exported: Exported) -> None:
    kinds = {
        role: {tensor.tensor_type.name for tensor in GGUFReader(path).tensors}
        for role, path in exported.export.files.items()
    }
    assert kinds["adapter"] == {"F32"}
    assert kinds["f16"] == {"F16", "F32"}
    assert kinds["q8_0"] == {"Q8_0", "F32"}
    # No fallback types: every row length is a multiple of 256.
    assert kinds["q4_k_m"] <= {"Q4_K", "Q6_K", "F32"}
    assert GGMLQuantizationType.Q4_K.name in kinds["q4_k_m"]


async def test_what_is_there_is_not_made_again(exported: Exported, rows: Rows) -> None:
    before = {path: path.stat().st_mtime_ns for path in exported.export.files.values()}
    told: list[Progress] = []
    await exported.export.make(told.append)
    assert await exported.export.measure(rows.folder, told.append) == exported.fidelity
    assert {path: path.stat().st_mtime_ns for path in exported.export.files.values()} == before
    (text,) = [progress.text for progress in told if progress.stage == "fidelity"]
    assert "(at most 1e-05)" in text
    assert all(role in text for role in ("adapter", "f16", "q8_0", "q4_k_m"))


def test_the_merged_folder_is_whole(exported: Exported, base: Path) -> None:
    merged = exported.export.merged
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (merged / name).read_bytes() == (base / name).read_bytes()
    config: dict[str, Any] = json.loads((merged / "config.json").read_text())
    assert "quantization_config" not in config
    assert not list(exported.export.folder.glob("*.part"))


def test_divergence_of_known_distributions() -> None:
    p = numpy.log(numpy.array([[0.5, 0.5], [0.9, 0.1]], "float32"))
    q = numpy.log(numpy.array([[0.5, 0.5], [0.5, 0.5]], "float32")) + 3
    wanted = [0.0, 0.9 * numpy.log(1.8) + 0.1 * numpy.log(0.2)]
    assert fidelity.divergence(p, q) == pytest.approx(wanted, abs=1e-6)


def test_fidelity_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "fidelity.json"
    path.write_text('{"f16": {"mean": 1e-9, "worst": 2e-9, "same": 1.0, "positions": 3}}')
    assert fidelity.load(path) == {"f16": Fidelity(1e-9, 2e-9, 1.0, 3)}
