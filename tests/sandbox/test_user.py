"""An ordinary user gets the same sandbox and the same workspaces as root."""

import json

from tests.sandbox.somebody import as_somebody

_CODE = """
import asyncio, json, os, pathlib
from sandbox.backend import BACKENDS, open_sandbox
from sandbox.workspace import copy_of, isolated
here = pathlib.Path.cwd()
told = {}

async def run(root, line, **options):
    sandbox = await open_sandbox(root, **options)
    try:
        return await sandbox.run(["sh", "-c", line])
    finally:
        await sandbox.close()

async def main():
    (here / "kept").write_text("the user's\\n")
    attack = "id -u; echo x > made; unshare -r id; echo x > /proc/sys/kernel/core_pattern"
    told["plain"] = (await run(here, attack)).stdout.split()
    told["owner"] = (here / "made").stat().st_uid == os.getuid()
    copy = copy_of({"a": "1\\n", "b/c": "2\\n", "d/e": "3\\n"}, megabytes=8)
    told["stage"] = copy.stage is not None
    line = "echo 4 >> a; rm b/c; mv d f; dd if=/dev/zero of=big bs=1M count=20 2>&1; rm big"
    told["full"] = (await run(copy.root, line)).stdout
    told["diff"] = copy.diff()
    copy.close()
    mine = isolated(here)
    told["isolated"] = (await run(mine.root, "cat kept; rm kept; echo new > new")).stdout
    told["changes"] = mine.diff()
    mine.close()
    told["still"] = (here / "kept").read_text()
    told["about"] = BACKENDS["bubblewrap"].describe()

asyncio.run(main())
print(json.dumps(told))
"""


def test_an_ordinary_user_gets_the_same() -> None:
    told = json.loads(as_somebody(_CODE))
    assert told["plain"] == ["1000"]
    assert told["owner"]
    assert told["stage"]
    assert "No space left on device" in told["full"]
    assert "+4\n" in told["diff"]
    assert "--- a/b/c\n+++ /dev/null\n" in told["diff"]
    assert "--- a/d/e\n+++ /dev/null\n" in told["diff"]
    assert "--- /dev/null\n+++ b/f/e\n" in told["diff"]
    assert "big" not in told["diff"]
    assert told["isolated"] == "the user's\n"
    assert "--- a/kept\n+++ /dev/null\n" in told["changes"]
    assert "+new\n" in told["changes"]
    assert told["still"] == "the user's\n"
    assert "root" not in told["about"]
