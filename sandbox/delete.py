"""Removing a folder that somebody hostile may have laid out."""

import os
import shutil
import subprocess
from pathlib import Path


def delete(folder: Path) -> None:
    """Remove a folder with all that is in it, also where permissions were taken away."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except RecursionError:
        # `shutil` descends by calling itself; a command may have made thousands of folders.
        subprocess.run(["rm", "-rf", "--", str(folder)], check=True, capture_output=True)
    except PermissionError:
        folder.chmod(0o700)
        for here, names, _ in os.walk(folder):
            for path in (Path(here, item) for item in names):
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(folder)
