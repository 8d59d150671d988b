"""What a process that works with the lake does not load."""

import os
import subprocess
import sys
from pathlib import Path

READS = """
import sys
from pathlib import Path
from lineside.core import Settings
from lineside.store import LakeTable, open_store

notes = LakeTable("notes", {"id": "VARCHAR"})
store = open_store(Settings(home=Path(sys.argv[1])))
store.add_lake_table(notes)
print(store.lake.read(notes, "SELECT count(*) AS n FROM {notes} WHERE id <> ?", ["n1"]))
store.close()
import scorer
"""


def test_reading_the_lake_imports_no_pandas_and_a_scorer_still_may(tmp_path: Path) -> None:
    (tmp_path / "pandas.py").write_text("print('pandas')\n")
    (tmp_path / "scorer.py").write_text("print('scorer')\nimport pandas\n")

    done = subprocess.run(
        [sys.executable, "-c", READS, str(tmp_path / "home")],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.split("\n") == ["[{'n': 0}]", "scorer", "pandas", ""], done.stderr
