"""Attempts on secrets, on files outside, and on what the host trusts later."""

import os
import subprocess
import sys
from pathlib import Path

from tests.sandbox.escapes.attempt import After, Attempt, canary, changed, secret
from tests.sandbox.escapes.target import Target

_REDUCED = frozenset(("landlock",))

_KEYS = """
def keys(path):
    return [part for part in open(path, "rb").read().split(b"\\0") if b"ESCAPE_KEY" in part]
"""

SECRETS = (
    Attempt("a variable", "environment and secrets", "return dict(os.environ)", secret),
    Attempt(
        "processes' variables", "environment and secrets",
        _KEYS + "return each(glob.glob('/proc/[0-9]*/environ'), keys)", secret,
    ),
    Attempt(
        "processes' arguments", "environment and secrets",
        "return each(glob.glob('/proc/[0-9]*/cmdline'),\n"
        "    lambda p: read(p) if 'escape-key' in read(p) else '')", secret,
        residual=_REDUCED,
    ),
    Attempt("an ssh key", "environment and secrets", "return read(t['home'] + '/.ssh/id_rsa')",
            secret),
    Attempt("cloud credentials", "environment and secrets",
            "return read(t['home'] + '/.aws/credentials')", secret),
    Attempt("the assistant's settings", "environment and secrets",
            "return read(t['home'] + '/.config/assistant/config.toml')", secret),
    Attempt("the home by ~", "environment and secrets",
            "return read(os.path.expanduser('~/.netrc'))", secret),
    Attempt(".env above the workspace", "environment and secrets",
            "return each(['../.env', t['base'] + '/.env'], read)", secret),
    Attempt("git's credentials", "environment and secrets", """
        line = ["git", "-c", f"credential.helper=store --file={t['home']}/.git-credentials"]
        run = subprocess.run([*line, "credential", "fill"], capture_output=True, text=True,
            input="protocol=https\\nhost=example.org\\n\\n", timeout=5,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
        return run.stdout
        """, secret),
    Attempt("the ssh agent", "environment and secrets",
            "return talk(socket.AF_UNIX, t['agent'])", secret),
)  # fmt: skip

READING = (
    Attempt("by its path", "reading outside", "return read(t['outside'] + '/secret')", secret),
    Attempt("upwards", "reading outside", "return read('../outside/secret')", secret),
    Attempt("a link that was there", "reading outside", "return read('link')", secret),
    Attempt("a link of its own", "reading outside",
            "os.symlink(t['outside'] + '/secret', 'mine'); return read('mine')", secret),
    Attempt("a linked folder", "reading outside", "return read('linked/secret')", secret),
    Attempt("a hard link", "reading outside",
            "os.link(t['outside'] + '/secret', 'hard'); return read('hard')", secret),
    Attempt("processes' roots", "reading outside",
            "return each(glob.glob('/proc/[0-9]*/root' + t['outside'] + '/secret'), read)",
            secret),
    Attempt("processes' folders", "reading outside",
            "return each(glob.glob('/proc/[0-9]*/cwd/outside/secret'), read)", secret),
    Attempt("from a folder's descriptor", "reading outside", """
        up = os.open("..", os.O_PATH)
        return os.read(os.open("outside/secret", os.O_RDONLY, dir_fd=up), 999).decode()
        """, secret),
    Attempt("by a file handle", "reading outside", """
        handle = bytes.fromhex(t["handle"])
        mount = os.open(".", os.O_RDONLY)
        file = call(304, mount, ctypes.create_string_buffer(handle), os.O_RDONLY)
        return os.read(file, 999).decode()
        """, secret, control="root", machine="x86_64"),
    Attempt("the shadow file", "reading outside", "return read('/etc/shadow')",
            lambda target, detail: "root:" in detail, control="root"),
    Attempt("the disk itself", "reading outside", """
        disks = glob.glob("/dev/vd?") + glob.glob("/dev/sd?") + glob.glob("/dev/nvme?n?")
        return each(disks, lambda path: open(path, "rb").read(512).hex())
        """, control="perhaps"),
    Attempt("files that a process holds open", "reading outside", """
        held = glob.glob("/proc/%d/fd/*" % t["parent"])
        return each(held, lambda path: read(path) if os.path.isfile(path) else "")
        """, secret),
)  # fmt: skip

WRITING = (
    Attempt("by its path", "writing outside", "return write(t['outside'] + '/file')", changed),
    Attempt("upwards", "writing outside", "return write('../outside/file')", changed),
    Attempt("through a link", "writing outside", "return write('writable')", changed),
    Attempt("into a linked folder", "writing outside", "return write('linked/new')", changed),
    Attempt("through a hard link", "writing outside",
            "os.link(t['outside'] + '/file', 'hard2'); return write('hard2')", changed),
    Attempt("by renaming", "writing outside",
            "os.rename(write('moved'), t['outside'] + '/moved'); return 'moved'", changed),
    Attempt("through processes' roots", "writing outside",
            "return each(glob.glob('/proc/[0-9]*/root' + t['outside'] + '/file'), write)",
            changed),
    Attempt("through processes' folders", "writing outside",
            "return each(glob.glob('/proc/[0-9]*/cwd/outside/file'), write)", changed),
    Attempt("the host's /tmp", "writing outside", "return write(t['system'][2])", changed),
    Attempt("the host's /dev/shm", "writing outside", "return write(t['shared'])", changed),
    Attempt("/usr", "writing outside", "return write(t['system'][0])", changed, control="root"),
    Attempt("/etc", "writing outside", "return write(t['system'][1])", changed, control="root"),
    Attempt("modes through a link", "writing outside",
            "os.chmod('writable', 0o777); return 'changed'", changed),
    Attempt("cutting through a link", "writing outside",
            "os.truncate('writable', 1); return 'cut'", changed),
    Attempt("removing", "writing outside",
            "os.unlink('linked/folder/inner'); return 'gone'", changed),
    Attempt("the shell's start file", "writing outside",
            "return write(t['home'] + '/.bashrc')", changed),
    Attempt("the assistant's settings", "writing outside",
            "return write(t['home'] + '/.config/assistant/config.toml')", changed),
)  # fmt: skip


def _git(*arguments: str, folder: str = ".") -> After:
    """Git as the user runs it later in the workspace."""

    def run(target: Target) -> str:
        line = ["git", "-C", str(target.root / folder), "-c", "user.name=n", "-c", "user.email=e"]
        done = subprocess.run([*line, *arguments], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return run


_commit = _git("commit", "--allow-empty", "-m", "m")
_status = _git("status")
_EVIL = "[core]\\n\\tfsmonitor = echo run > {canary}; false\\n"


def _sandboxed(target: Target) -> str:
    """The next sandbox on the same workspace, which looks for its interpreter there."""
    script = (
        "import asyncio, sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from sandbox.backend import open_sandbox\n"
        "async def main():\n"
        "    sandbox = await open_sandbox(Path(sys.argv[1]))\n"
        "    path = sys.argv[3]\n"
        "    print((await sandbox.run(['cat', path])).stdout)\n"
        "    print((await sandbox.run([sandbox.python, '-c', 'print(1)'])).stdout)\n"
        "    await sandbox.close()\n"
        "asyncio.run(main())\n"
    )
    home = str(Path(__file__).parents[3])
    line = [sys.executable, "-P", "-c", script, str(target.root), home]
    done = subprocess.run(
        [*line, str(target.outside / "secret")], capture_output=True, text=True, check=False
    )
    return done.stdout


def _own_python(target: Target) -> str:
    """The workspace's interpreter, run on the host by hand."""
    line = [str(target.root / ".venv/bin/python"), "-c", "print(1)"]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout


def _program(*options: str) -> After:
    """A Python of ours that is started in the workspace."""

    def run(target: Target) -> str:
        home = str(Path(__file__).parents[3])
        env = {**os.environ, "PYTHONPATH": home if options else f"{target.root}:{home}"}
        line = [sys.executable, *options, "-c", "import sandbox.limits"]
        done = subprocess.run(
            line, cwd=target.root, env=env, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    return run


def _settings(target: Target, detail: str) -> bool:
    return (target.root / ".assistant/config.toml").read_text() != ""


TRUST = (
    Attempt("a hook", "trust handed off", "return hook('.git/hooks')", canary, _commit,
            fresh=True),
    Attempt("a hook after renaming .git", "trust handed off", """
        os.rename(".git", "old")
        shell("cp -r old .git")
        return hook(".git/hooks")
        """, canary, _commit, fresh=True),
    Attempt("a hook after renaming hooks", "trust handed off",
            "os.rename('.git/hooks', '.git/h'); return hook('.git/hooks')", canary, _commit,
            fresh=True),
    Attempt("a repository in place of .git", "trust handed off", """
        shell("git init -q evil && rm -rf .git && mv evil/.git .git")
        return hook(".git/hooks")
        """, canary, _commit, fresh=True),
    Attempt("hooks elsewhere", "trust handed off",
            "return hook('own') + shell('git config core.hooksPath own')", canary, _commit,
            fresh=True),
    Attempt("a monitor in the configuration", "trust handed off",
            f"open('.git/config', 'a').write('{_EVIL}'.format(**t)); return 'written'", canary,
            _status, fresh=True),
    Attempt("a configuration by rename", "trust handed off", f"""
        text = open(".git/config").read() + '{_EVIL}'.format(**t)
        open(".git/new", "w").write(text)
        os.rename(".git/new", ".git/config")
        return "renamed"
        """, canary, _status, fresh=True),
    Attempt("another common folder", "trust handed off", f"""
        shell("cp -r .git evil")
        open("evil/config", "a").write('{_EVIL}'.format(**t))
        open(".git/commondir", "w").write("../evil")
        return "planted"
        """, canary, _status, fresh=True),
    Attempt("a nested repository's hook", "trust handed off",
            "return hook('nested/.git/hooks')", canary,
            _git("commit", "--allow-empty", "-m", "m", folder="nested"), fresh=True),
    Attempt("a nested repository's monitor", "trust handed off",
            f"open('nested/.git/config', 'a').write('{_EVIL}'.format(**t)); return 'written'",
            canary, _git("status", folder="nested"), fresh=True),
    Attempt("a repository of its own in the index", "trust handed off", f"""
        shell("git init -q evil && cd evil && git -c user.name=n -c user.email=e commit -q "
              "--allow-empty -m m && cd .. && git add evil")
        open("evil/.git/config", "a").write('{_EVIL}'.format(**t))
        return "added"
        """, canary, _status, fresh=True),
    Attempt("a submodule's hook", "trust handed off", "return hook('.git/modules/sub/hooks')",
            lambda target, detail: any((target.root / ".git/modules/sub/hooks").iterdir()),
            fresh=True),
    Attempt("a module for our own Python", "trust handed off", """
        for name in ("sitecustomize.py", "usercustomize.py", "sandbox.py", "enum.py"):
            open(name, "w").write(f"open('{t['canary']}', 'w').write('run')")
        return "planted"
        """, canary, _program("-P"), _program(), fresh=True),
    Attempt("an interpreter of the workspace", "trust handed off", """
        os.makedirs(".venv/bin")
        path = ".venv/bin/python"
        open(path, "w").write(f"#!/bin/sh\\necho run > {t['canary']}\\n")
        os.chmod(path, 0o755)
        open(".venv/pyvenv.cfg", "w").write("home = /usr/bin\\n")
        return "planted"
        """, canary, _sandboxed, _own_python, fresh=True),
    Attempt("a false home of an interpreter", "trust handed off", """
        os.makedirs(".venv/bin")
        os.symlink(sys.executable, ".venv/bin/python")
        open(".venv/pyvenv.cfg", "w").write(f"home = {t['outside']}/bin\\n")
        return read(t["outside"] + "/secret")
        """, secret, _sandboxed, fresh=True),
    Attempt("the assistant's home in the workspace", "trust handed off",
            "return write('.assistant/config.toml')", _settings, fresh=True),
)  # fmt: skip
