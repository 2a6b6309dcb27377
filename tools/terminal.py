"""A shell that stays where it was: its folder and exported variables last from call to call.

The sandbox keeps them, in a file in its own temporary folder that each command reads at its start
and writes at its end: whatever stands there is read by the sandbox alone.
"""

import secrets
from dataclasses import dataclass, field

from tools.shell import SHELL_MORE, ran, told
from tools.tool import Context, tool

# On one line, so that bash counts the lines of the command alone. The state is written beside and
# moved into its place: a command that is killed while it writes leaves the old one.
_BEGIN = '__as="${TMPDIR:-/tmp}/.shell-$1"; __new=$2 __keeps=$3 __command=$4; set --; '
_RESTORE = (
    'if [ -r "$__as" ]; then for __each in $(compgen -e); do unset "$__each"; done; . "$__as"; '
    'elif [ -z "$__new" ]; then echo "[the shell begins anew in $PWD: its state is lost]"; fi; '
)
_GONE = '{ cd -P . && echo "[the folder is gone: back in $PWD]"; }'
_SAVE = (
    '[ -z "$__keeps" ] || trap \'( umask 077; { builtin export -p; '
    'builtin printf "cd -- %q 2>/dev/null || %s; OLDPWD=%q\\n" "$PWD" "$__gone" "$OLDPWD"; } '
    '> "$__as.$$" && command -p mv -f -- "$__as.$$" "$__as" )\' EXIT; '
)
_WRAPPER = f"{_BEGIN}__gone='{_GONE}'; {_RESTORE}{_SAVE}unset __each __new; eval \"$__command\""


@dataclass
class ShellState:
    """Where the sandbox keeps it, and whether it does so already."""

    name: str = field(default_factory=lambda: secrets.token_hex(8))
    kept: bool = False

    def wrapped(self, command: str, *, keeps: bool) -> list[str]:
        """The command line for a command that goes on from the state, and `keeps` its own end."""
        return [
            *("bash", "-c", _WRAPPER, "bash", self.name),
            *("" if self.kept else "new", "keeps" if keeps else "", command),
        ]


@tool("run")
async def shell(context: Context, command: str, seconds: int = 120) -> str:
    """Run a shell command; `cd` and `export` last until you change them.

    Use start_job for what shall go on running, such as a server.

    Args:
        context: The workspace.
        command: For bash; the first one starts in the workspace.
        seconds: Time limit; what is not done by then is killed.
    """
    state = context.memory.of(ShellState)
    completed = await ran(context, state.wrapped(command, keeps=True), seconds)
    # A command that was killed has kept nothing.
    state.kept = state.kept or not (completed.timed_out or completed.exit_code < 0)
    return told(completed, seconds, SHELL_MORE)
