import json
import subprocess
from pathlib import Path

import pytest

from assistant import doctor
from assistant.config import Config
from tests.assistant.terminal import COMMAND, clean_environment


async def findings(home: Path) -> dict[str, doctor.Finding]:
    return {finding.part: finding for finding in await doctor.examine(Config(home))}


async def test_every_part_is_examined(tmp_path: Path) -> None:
    found = await findings(tmp_path)
    parts = ["python", "sandbox", "ripgrep", "llama.cpp", "student", "training", "home", "disk"]
    assert set(parts) < set(found)
    assert found["student"].state == "missing"
    assert found["student"].mend == "assistant student init"
    assert not found["student"].failed


async def test_keys_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-very-secret")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = await findings(tmp_path)
    assert found["ANTHROPIC_API_KEY"].state == "ok"
    assert found["OPENAI_API_KEY"].state == "missing"
    assert "secret" not in json.dumps([vars(finding) for finding in found.values()])


async def test_a_home_that_is_a_file_is_broken(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    found = await findings(tmp_path / "home")
    assert found["home"].failed


def test_the_exit_code_says_whether_all_is_well(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = clean_environment() | {"ASSISTANT_HOME": str(tmp_path / "file" / "home")}
    done = subprocess.run(
        [COMMAND, "doctor", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    rows = {row["part"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["home"]["state"] == "broken"
    assert rows["home"]["mend"]
