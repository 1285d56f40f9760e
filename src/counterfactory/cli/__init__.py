"""The command line: parses and calls. Starts without torch, and says what a person can mend in one sentence."""

import json
import os
import sys

from counterfactory.cli.app import app
from counterfactory.errors import CounterfactoryError

__all__ = ["app", "main"]


def main() -> None:
    """The command `counterfactory`."""
    # Before torch starts its threads: where a machine is busy, threads that spin while they wait cost two thirds of it.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app(prog_name="counterfactory")
    except CounterfactoryError as error:
        print(f"counterfactory: {error}", file=sys.stderr)
        if "--json" in sys.argv:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        sys.exit(2)
