"""The shell that stays where it was."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.limits import Limits
from tests.tools.live import live, use
from tools.shell import shell as compact_shell
from tools.terminal import shell
from tools.tool import Context


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Context]:
    async with live(tmp_path, Limits()) as context:
        yield context


async def _sh(context: Context, command: str, seconds: int = 20) -> str:
    return (await use(context, shell, command=command, seconds=seconds)).text


def _here(context: Context) -> str:
    return context.sandbox.workdir


async def test_folder_and_exported_variables_last(terminal: Context) -> None:
    odd = "a b\n'c"
    (terminal.root / odd).mkdir()
    assert await _sh(terminal, "cd a*; export WORD='x \"y\nz' NOT; LOCAL=1") == "[exit code 0]"
    shown = await _sh(terminal, 'pwd; echo "$WORD" "$LOCAL."')
    assert shown == f'{_here(terminal)}/{odd}\nx "y\nz .\n[exit code 0]'
    assert await _sh(terminal, "cd - > /dev/null; pwd") == f"{_here(terminal)}\n[exit code 0]"
    assert await _sh(terminal, "unset WORD LANG") == "[exit code 0]"
    assert await _sh(terminal, "echo ${WORD-gone} ${LANG-gone}") == "gone gone\n[exit code 0]"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("echo one\nnope", "one\nbash: line 2: nope: command not found\n[exit code 127]"),
        ("echo $LINENO $# $1", "1 0\n[exit code 0]"),
        ("cat <<E\n  hi\nE", "  hi\n[exit code 0]"),
        ("exit 3", "[exit code 3]"),
        ("false", "[exit code 1]"),
        ("set -e; false; echo never", "[exit code 1]"),
        ("kill -9 $$", "[killed by signal 9]"),
        ("printf x; echo y >&2", "xy\n[exit code 0]"),
        ("[[ a == a ]] && echo bash", "bash\n[exit code 0]"),
    ],
)
async def test_commands_behave_as_they_do_alone(terminal: Context, command: str, text: str) -> None:
    assert await _sh(terminal, command) == text
    assert (await use(terminal, compact_shell, command=command)).text == text


async def test_a_command_that_is_no_bash_changes_nothing(terminal: Context) -> None:
    await _sh(terminal, "export KEPT=1")
    assert "syntax error" in await _sh(terminal, "echo )")
    assert await _sh(terminal, "echo $KEPT") == "1\n[exit code 0]"


async def test_a_command_that_was_stopped_or_killed_keeps_the_old_state(terminal: Context) -> None:
    (terminal.root / "sub").mkdir()
    await _sh(terminal, "cd sub; export A=1")
    assert await _sh(terminal, "cd /; export A=2; sleep 60", 1) == "[stopped after 1 s]"
    assert await _sh(terminal, "cd /; export A=2; kill -9 $$") == "[killed by signal 9]"
    assert await _sh(terminal, "pwd; echo $A") == f"{_here(terminal)}/sub\n1\n[exit code 0]"


async def test_where_the_first_command_was_killed_nothing_is_lost(terminal: Context) -> None:
    assert await _sh(terminal, "kill -9 $$") == "[killed by signal 9]"
    assert await _sh(terminal, "pwd") == f"{_here(terminal)}\n[exit code 0]"


async def test_a_folder_that_is_gone(terminal: Context) -> None:
    (terminal.root / "sub").mkdir()
    await _sh(terminal, "cd sub")
    (terminal.root / "sub").rmdir()
    here = _here(terminal)
    assert await _sh(terminal, "pwd") == (
        f"[the folder is gone: back in {here}]\n{here}\n[exit code 0]"
    )
    assert await _sh(terminal, "pwd") == f"{here}\n[exit code 0]"


async def test_a_broken_environment_can_be_mended(terminal: Context) -> None:
    await _sh(terminal, "unset PATH; export HOME=; cd /")
    assert "No such file" in await _sh(terminal, "ls")
    assert await _sh(terminal, "export PATH=/usr/bin:/bin; ls -d /usr") == "/usr\n[exit code 0]"
    assert await _sh(terminal, "ls -d /usr; pwd") == "/usr\n/\n[exit code 0]"


async def test_a_state_that_was_lost_is_told(terminal: Context) -> None:
    await _sh(terminal, "cd /")
    # The trap would write it again.
    await _sh(terminal, "rm -f ${TMPDIR:-/tmp}/.shell-*; trap - EXIT")
    shown = await _sh(terminal, "pwd")
    here = _here(terminal)
    assert shown == f"[the shell begins anew in {here}: its state is lost]\n{here}\n[exit code 0]"


async def test_a_hostile_state_harms_its_own_shell_alone(terminal: Context) -> None:
    await _sh(terminal, "true")
    await _sh(terminal, "trap - EXIT; for f in ${TMPDIR:-/tmp}/.shell-*; do echo exit 9 > $f; done")
    assert await _sh(terminal, "echo never") == "[exit code 9]"
    text = (await use(terminal, compact_shell, command="echo fine")).text
    assert text == "fine\n[exit code 0]"


async def test_a_new_conversation_begins_in_the_workspace(terminal: Context) -> None:
    await _sh(terminal, "cd /; export A=1")
    await terminal.memory.close()
    assert await _sh(terminal, "pwd; echo .$A") == f"{_here(terminal)}\n.\n[exit code 0]"


async def test_the_rules_for_commands_hold(terminal: Context) -> None:
    for command in ("x" * 200_000, "a\0b"):
        assert "write it to a file" in await _sh(terminal, command)
    assert "between 1 and 600" in await _sh(terminal, "true", 0)
    shown = await _sh(terminal, "seq 1 1000000")
    assert "1000000\n[exit code 0; to see what was cut, use head, tail or grep]" in shown
