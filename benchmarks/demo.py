"""A fresh checkout to a finished demo: `make demo` in a new clone, packages from pip's cache. Prints one JSON line.

python benchmarks/demo.py
"""

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / "checkout"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        began = time.perf_counter()
        subprocess.run(["make", "setup"], cwd=checkout, check=True, capture_output=True)
        ready = time.perf_counter()
        shown = subprocess.run(["make", "demo"], cwd=checkout, check=True, capture_output=True, text=True).stdout
        ended = time.perf_counter()
    job = re.search(r"(\d+) s\)", shown)
    found = {"setup_s": round(ready - began, 1), "demo_s": round(ended - ready, 1), "all_s": round(ended - began, 1)}
    print(json.dumps({"benchmark": "demo", **found, "job_s": int(job[1]) if job else None}))


if __name__ == "__main__":
    main()
