import json
import multiprocessing
import shutil
from pathlib import Path

import pytest

from sandbox.refused import Refused
from training.registry import Registry
from training.version import ModelVersion


def add(home: Path, id: str, base: str = "student") -> ModelVersion:
    """Add a small version with files that no model would load."""
    folder = home / f"made-{id}"
    folder.mkdir(parents=True)
    role = "base" if id == base else "adapter"
    (folder / f"{role}.gguf").write_bytes(f"weights of {id}".encode())
    (folder / "config.json").write_text("{}")
    version = ModelVersion(id, base=base, parent=None, files={}, figures={"loss": 1.5})
    files = {role: f"{role}.gguf", "config": "config.json"}
    return Registry(home).add(folder, version, files)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    add(tmp_path, "student")
    add(tmp_path, "v1")
    return Registry(tmp_path)


def home_of(registry: Registry) -> Path:
    return registry.folder.parent


def test_an_empty_home_has_no_student(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "none")
    assert registry.active() is None
    assert registry.list() == []
    assert not (tmp_path / "none").exists()
    with pytest.raises(Refused, match="no earlier version"):
        registry.rollback()


def test_the_first_version_is_active_and_the_next_is_not(registry: Registry) -> None:
    active = registry.active()
    assert active is not None
    assert (active.id, active.is_base) == ("student", True)
    assert [version.id for version in registry.list()] == ["student", "v1"]
    version = registry.version("v1")
    assert version.figures == {"loss": 1.5}
    assert version.files["adapter"].bytes == len("weights of v1")
    assert ModelVersion.read(registry.path("v1")) == version


def test_promote_and_all_the_way_back(registry: Registry) -> None:
    add(home_of(registry), "v2")
    registry.promote("v1")
    registry.promote("v2")
    registry.promote("v2")
    assert registry.active_id() == "v2"
    assert registry.rollback().id == "v1"
    assert Registry(home_of(registry)).active_id() == "v1"
    assert registry.rollback().id == "student"
    with pytest.raises(Refused, match="no earlier version"):
        registry.rollback()
    assert registry.active_id() == "student"


def test_weights_name_the_base_and_the_adapter(registry: Registry) -> None:
    base = registry.weights(registry.version("student"))
    adapted = registry.weights(registry.version("v1"))
    assert (base.gguf.read_bytes(), base.adapter) == (b"weights of student", None)
    assert adapted.gguf == base.gguf
    assert adapted.adapter is not None
    assert adapted.adapter.read_bytes() == b"weights of v1"
    assert base.digest != adapted.digest


def test_damage_is_refused_and_the_active_version_stays(registry: Registry) -> None:
    path = registry.path("v1") / "adapter.gguf"
    whole = path.read_bytes()
    for damage, words in (
        (whole[: len(whole) // 2], r"adapter\.gguf has 6 bytes instead of 13"),
        (whole.upper(), r"adapter\.gguf was changed"),
        (None, r"adapter\.gguf is missing"),
    ):
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        with pytest.raises(Refused, match=words):
            registry.promote("v1")
        path.write_bytes(whole)
    assert registry.active_id() == "student"
    base = registry.path("student") / "base.gguf"
    base.write_bytes(base.read_bytes()[:-1])
    for attempt in (lambda: registry.promote("v1"), registry.active):
        with pytest.raises(Refused, match=r"base\.gguf has 17 bytes instead of 18.*rollback"):
            attempt()


def test_rollback_does_not_go_to_a_damaged_version(registry: Registry) -> None:
    registry.promote("v1")
    (registry.path("student") / "config.json").write_text("[]")
    with pytest.raises(Refused, match=r"config\.json was changed"):
        registry.rollback()
    assert registry.active_id() == "v1"


def test_rollback_does_not_go_to_a_version_of_a_damaged_base(registry: Registry) -> None:
    add(home_of(registry), "v2")
    registry.promote("v1")
    registry.promote("v2")
    (registry.path("student") / "base.gguf").write_bytes(b"WEIGHTS OF student")
    with pytest.raises(Refused, match=r"base\.gguf was changed"):
        registry.rollback()
    assert registry.active_id() == "v2"


def test_a_free_id_is_that_of_no_version_there_is_or_was(registry: Registry) -> None:
    assert registry.free_id() == "v2"
    add(home_of(registry), "v2")
    shutil.rmtree(registry.path("v1"))
    assert registry.free_id() == "v3"
    registry.promote("v2")
    shutil.rmtree(registry.path("v2"))
    assert registry.free_id() == "v3"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "files": 3}'])
def test_a_broken_manifest_is_named_and_the_rest_still_works(registry: Registry, text: str) -> None:
    (registry.path("v1") / "manifest.json").write_text(text)
    with pytest.raises(Refused, match=r"v1/manifest\.json is broken"):
        registry.version("v1")
    assert [version.id for version in registry.list()] == ["student"]
    assert registry.active_id() == "student"


def test_a_newer_manifest_is_not_guessed_at(registry: Registry) -> None:
    path = registry.path("v1") / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(Refused, match="newer version"):
        registry.version("v1")


def test_a_broken_pointer_is_named(registry: Registry) -> None:
    (registry.folder / "active.json").write_text('{"history": 3}')
    with pytest.raises(Refused, match=r"active\.json is broken"):
        registry.active()


@pytest.mark.parametrize("id", ["", "..", "../v1", "a/b", ".hidden", "none"])
def test_names_that_are_none(registry: Registry, id: str) -> None:
    with pytest.raises(Refused, match="model version"):
        registry.promote(id)


def test_an_id_is_given_once(registry: Registry) -> None:
    with pytest.raises(Refused, match="'v1' already"):
        add(home_of(registry), "v1")
    # A folder that never became a version does not count.
    (registry.folder / "v2").mkdir()
    (registry.folder / "v2/half.gguf").touch()
    add(home_of(registry), "v2")
    assert not (registry.folder / "v2/half.gguf").exists()


def work(home: Path, one: str, other: str) -> None:
    """Promote two versions in turns, many times."""
    registry = Registry(home)
    for id in [one, other] * 50:
        registry.promote(id)


def test_processes_do_not_lose_each_others_changes(registry: Registry) -> None:
    for id in ("v2", "v3", "v4"):
        add(home_of(registry), id)
    context = multiprocessing.get_context("spawn")
    pairs = [("v1", "v2"), ("v3", "v4")]
    jobs = [context.Process(target=work, args=(home_of(registry), *pair)) for pair in pairs]
    for job in jobs:
        job.start()
    while any(job.is_alive() for job in jobs):
        assert registry.active_id() in ("student", "v1", "v2", "v3", "v4")
    for job in jobs:
        job.join()
        assert job.exitcode == 0
    history = json.loads((registry.folder / "active.json").read_text())["history"]
    assert len(history) == 201


def test_a_made_student_is_taken_in(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home/new"
    shutil.copytree(base, folder)
    registry = Registry(tmp_path / "home")
    version = registry.add_base(folder)
    assert not folder.exists()
    assert registry.active() == version
    assert {"base", "config.json", "model.safetensors", "tokenizer.json"} <= set(version.files)
    assert registry.weights(version).gguf.read_bytes() == (base / "base.gguf").read_bytes()
