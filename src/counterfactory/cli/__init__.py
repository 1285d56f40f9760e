"""The command line: parses and calls. Starts without torch, and says what a person can mend in one sentence."""

import json
import sys

from counterfactory.cli.app import app
from counterfactory.errors import CounterfactoryError

__all__ = ["app", "main"]


def main() -> None:
    """The command `counterfactory`."""
    try:
        app(prog_name="counterfactory")
    except CounterfactoryError as error:
        print(f"counterfactory: {error}", file=sys.stderr)
        if "--json" in sys.argv:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        sys.exit(2)
