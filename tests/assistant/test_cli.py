import subprocess
import sys
from pathlib import Path

import pytest

from assistant.cli import COMMANDS, main

HEAVY = {
    "torch",
    "langgraph",
    "llama_cpp",
    "anthropic",
    "openai",
    "pydantic",
    "rich",
    "prompt_toolkit",
}
COMMAND = Path(sys.executable).parent / "assistant"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom assistant.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"sys.exit(' '.join(sorted({HEAVY!r} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert "usage: assistant" in done.stdout
    assert "examples:" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_has_more_than_eight_flags(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    text = capsys.readouterr().out
    flags = [line for line in text.splitlines() if line.startswith("  -")]
    assert 2 <= len(flags) <= 9, flags  # --help is not counted


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("assistant 0.")


def test_an_unknown_command_names_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colect"]) == 2
    assert "did you mean `assistant collect`?" in capsys.readouterr().err


def test_an_unknown_setting_is_refused_in_one_sentence() -> None:
    done = subprocess.run(
        [COMMAND, "doctor", "--set", "chat.modle=student"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    sentence = "--set: chat has no key 'modle'; did you mean 'mode' or 'model'."
    assert done.stderr == f"assistant: {sentence}\n"
