"""One list of packages in three places, pins that agree, and a wheel that holds just that."""

import re
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ["assistant", "training", "distillation", "agent", "tools", "sandbox"]


def test_one_list_of_packages() -> None:
    tool = PROJECT["tool"]
    layers = next(c for c in tool["importlinter"]["contracts"] if c["type"] == "layers")
    assert tool["hatch"]["build"]["targets"]["wheel"]["packages"] == PACKAGES
    assert tool["importlinter"]["root_packages"] == PACKAGES
    assert layers["layers"] == PACKAGES
    assert [path.parent.name for path in sorted(ROOT.glob("*/__init__.py"))] == sorted(PACKAGES)


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "locks" / f"{name}.txt").read_text().split()
    pairs = (line.split("==") for line in lines)
    return {canonicalize_name(package): version for package, version in pairs}


def test_locks_agree_and_grow() -> None:
    run, train, dev = pins("run"), pins("train"), pins("dev")
    assert run.items() <= train.items() <= dev.items()
    assert "torch" not in run
    assert train["torch"] == "2.13.0"


@pytest.mark.parametrize(
    ("lock", "extras"), [("run", ["local", "web"]), ("train", ["train"]), ("dev", ["dev"])]
)
def test_locks_pin_what_is_asked_for(lock: str, extras: list[str]) -> None:
    project, pinned = PROJECT["project"], pins(lock)
    asked = project["dependencies"] + [
        text for extra in extras for text in project["optional-dependencies"][extra]
    ]
    for text in asked:
        match = re.match(r"[\w-]+", text)
        assert match
        name = match[0].lower()
        if name == "assistant":
            continue
        assert name in pinned, f"{text} is not in locks/{lock}.txt"
        if exact := re.search(r"==(.+)$", text):
            assert pinned[name] == exact[1]


@pytest.mark.parametrize("lock", ["run", "train", "dev"])
def test_locks_hold_what_their_packages_need(lock: str) -> None:
    pinned, lacking = pins(lock), list[str]()
    for name in pinned:
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for need in map(Requirement, needs):
            if need.marker and not need.marker.evaluate({"extra": ""}):
                continue
            version = pinned.get(canonicalize_name(need.name))
            if version is None or not need.specifier.contains(version, prereleases=True):
                lacking.append(f"{name} needs {need}, the lock has {version}")
    assert [line for line in lacking if not line.startswith("torch ")] == []


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        *PACKAGES,
        "assistant_door.pth",
    }
    assert "agent/prompts/system.md" in names
    assert {"assistant/report.html", "training/templates/pretrained.jinja"} <= set(names)
