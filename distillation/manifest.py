"""JSON files that are whole or not there at all: what says that a product is finished."""

import json
from pathlib import Path


def write_manifest(path: Path, record: object) -> None:
    """Write `record` as JSON by a rename; killed in the middle, what was there before stays."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(record, indent=1, default=str), encoding="utf-8")
    part.replace(path)
