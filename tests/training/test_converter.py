import asyncio
import tarfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from gguf import GGUFReader

from sandbox.refused import Refused
from tests.training.material import Exported
from training import fidelity
from training.converter import ARCHIVE, Converter
from training.stage import StageFailed


def fields(reader: GGUFReader) -> dict[str, Any]:
    """What a GGUF says of itself, apart from names and sizes of the file."""
    described = {
        *("general.name", "general.size_label", "general.file_type", "general.finetune"),
        *("general.quantization_version", "general.type", "general.basename"),
    }
    return {
        name: field.contents()
        for name, field in reader.fields.items()
        if not name.startswith("GGUF.") and name not in described
    }


@pytest.fixture(scope="session")
def converted(base: Path, converter_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student by llama.cpp's converter."""
    path = tmp_path_factory.mktemp("converted") / "student.gguf"
    asyncio.run(Converter(converter_cache).model(base, path))
    return path


def test_the_direct_gguf_is_what_the_converter_makes(base: Path, converted: Path) -> None:
    ours, theirs = GGUFReader(base / "base.gguf"), GGUFReader(converted)
    assert fields(ours) == fields(theirs)
    tensors = [{tensor.name: tensor for tensor in each.tensors} for each in (ours, theirs)]
    assert tensors[0].keys() == tensors[1].keys()
    for name, tensor in tensors[0].items():
        other = tensors[1][name]
        assert tensor.tensor_type == other.tensor_type, name
        assert numpy.array_equal(tensor.data, other.data), name


def test_both_answer_alike(base: Path, converted: Path) -> None:
    from llama_cpp import Llama

    text = "def f(x):\n    return x + 1  # é 🎉<|im_end|>\n"
    logits: list[Any] = []
    for path in (base / "base.gguf", converted):
        llama = Llama(str(path), n_ctx=128, logits_all=True, verbose=False)
        ids = llama.tokenize(text.encode(), add_bos=False, special=True)
        llama.eval(ids)
        logits.append((ids, numpy.array(llama.scores[: len(ids)])))
        llama.close()
    assert logits[0][0] == logits[1][0]
    assert fidelity.divergence(logits[0][1], logits[1][1]).mean() <= 1e-5


async def test_what_the_converter_refuses_is_one_sentence(
    tmp_path: Path, converter_cache: Path
) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["NoSuchModel"]}')
    with pytest.raises(StageFailed, match=r"training\.convert failed: .*NoSuchModel"):
        await Converter(converter_cache).model(tmp_path, tmp_path / "x.gguf")
    assert not (tmp_path / "x.gguf").exists()


async def test_another_archive_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as tar:
        tar.add(__file__, "llama_cpp_python-0.3.36/vendor/llama.cpp/convert_hf_to_gguf.py")
    converter = Converter(tmp_path)
    with pytest.raises(Refused, match="is not the pinned"):
        await converter.ready()
    assert [path.name for path in tmp_path.iterdir()] == [ARCHIVE]


def test_only_what_is_needed_is_kept(exported: Exported) -> None:
    folder = exported.export.converter.folder
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "LICENSE", "conversion", "gguf-py")
    }
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < 10_000_000
