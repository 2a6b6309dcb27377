import json
import subprocess
from pathlib import Path

import pexpect
import pytest

from assistant import doctor
from assistant.config import Config
from assistant.sections import Network, Sandbox
from tests.assistant.terminal import COMMAND, Terminal, clean_environment


async def findings(home: Path) -> dict[str, doctor.Finding]:
    return {finding.part: finding for finding in await doctor.examine(Config(home))}


async def test_every_part_is_examined(tmp_path: Path) -> None:
    found = await findings(tmp_path)
    parts = ["python", "sandbox", "ripgrep", "llama.cpp", "student", "training", "home", "disk"]
    assert set(parts) < set(found)
    assert found["student"].state == "missing"
    assert found["student"].mend == "assistant student init"
    assert not found["student"].failed


async def test_every_backend_is_tried(tmp_path: Path) -> None:
    found = await findings(tmp_path)
    assert found["sandbox"].about == "bubblewrap, the first that works"
    for name in ("bubblewrap", "docker", "landlock"):
        assert found[f"  {name}"].about
        assert not found[f"  {name}"].failed
    assert "copy-on-write" in found["  bubblewrap"].about
    assert "reduced" in found["  landlock"].about or found["  landlock"].state == "missing"


async def test_a_backend_that_is_set_and_does_not_work_is_broken(tmp_path: Path) -> None:
    sandbox = Sandbox(backend="docker", image="no-such-image:at-all")
    found = {f.part: f for f in await doctor.examine(Config(tmp_path, sandbox=sandbox))}
    assert found["sandbox"].failed
    assert "Docker" in found["sandbox"].about or "no-such-image" in found["sandbox"].about


async def test_the_network_is_shown(tmp_path: Path) -> None:
    assert "--allow" in (await findings(tmp_path))["network"].about
    network = Network(allow=("docs.python.org", "*"))
    found = {f.part: f for f in await doctor.examine(Config(tmp_path, network=network))}
    assert "'*'" in found["network"].about
    assert (found["network"].state, found["network"].failed) == ("broken", False)


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
    assert {"bubblewrap", "docker", "landlock"} < set(rows)
    assert rows["home"]["state"] == "broken"
    assert rows["home"]["mend"]


def test_a_narrow_terminal_breaks_no_words(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, tmp_path / "home", "doctor")
    terminal.child.setwinsize(40, 60)
    terminal.child.expect(pexpect.EOF)
    assert terminal.child.before is not None
    lines = terminal.child.before.splitlines()
    assert any(line.startswith(" " * 28) for line in lines)
    assert all(len(line) < 60 or " " not in line[28:] for line in lines if "->" not in line)
