"""Calls the command line in this process, as a person would type it."""

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from counterfactory.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line as an object."""
        return json.loads(self.out.strip().splitlines()[-1])


def call(capsys: pytest.CaptureFixture[str], *words: object) -> Answer:
    """One command line; an error that a person can mend ends with code 2 and without a traceback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["counterfactory", *map(str, words)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return Answer(code, printed.out, printed.err)
