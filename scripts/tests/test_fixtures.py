"""Every test file asks for the fixtures: where they are up to date that is quick."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.fixtures import fingerprint

ROOT = Path(__file__).parents[2]


def test_what_is_up_to_date_is_left_alone_and_loads_no_torch(tmp_path: Path) -> None:
    (tmp_path / "fingerprint").write_text(fingerprint())
    command = [sys.executable, "-X", "importtime", "-m", "scripts.fixtures", str(tmp_path)]
    imported = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    assert "argparse" in imported
    assert "torch" not in imported
    assert [path.name for path in tmp_path.iterdir()] == ["fingerprint"]
