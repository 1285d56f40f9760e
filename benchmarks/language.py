"""How fast and how soundly the lexicon edits captions that it was not made for, as a JSON line; `--show` prints all."""

import argparse
import json
import re
import time
from itertools import cycle, islice
from pathlib import Path

from counterfactory.language.checks import complaint, value_of
from counterfactory.language.english import article
from counterfactory.language.lexicon import Lexicon
from counterfactory.types import Failed, Passage, Rewriting
from counterfactory.worker import Worker

CAPTIONS = Path(__file__).with_name("captions.txt")  # written by hand: label | caption
ARTICLE = re.compile(r"\b(an?)\s+([\w'’]+)", re.IGNORECASE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--captions", type=int, default=1000, help="how many are timed, the same ones again where too few"
    )
    parser.add_argument("--counterfactuals", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print every counterfactual, to be read")
    options = parser.parse_args()
    passages = read(options.seed)
    lexicon = Lexicon(counterfactuals=options.counterfactuals)
    edit = lexicon.load(Worker(workspace=Path("runs")))
    results = edit(passages)  # the first call reads the banks
    start = time.process_time()  # of this process alone, whatever else the machine does
    edit(list(islice(cycle(passages), options.captions)))
    seconds = time.process_time() - start
    if options.show:
        show(passages, results)
    print(json.dumps({**measure(passages, results), "captions_per_cpu_second": round(options.captions / seconds)}))


def read(seed: int) -> list[Passage]:
    """The hand-written captions with their labels; the first of several names is the label."""
    lines = [line.split(" | ", 1) for line in CAPTIONS.read_text().splitlines() if line and not line.startswith("#")]
    return [Passage(caption=caption, label=label, seed=seed) for label, caption in lines]


def measure(passages: list[Passage], results: list[tuple[Rewriting, ...] | Failed]) -> dict[str, object]:
    """Shares of captions that were edited, and of edits that are unsound."""
    pairs = [(passage, new) for passage, found in zip(passages, results, strict=True) for new in edits(found)]
    return {
        "benchmark": "language",
        "captions": len(passages),
        "edited": round(sum(not isinstance(found, Failed) for found in results) / len(passages), 3),
        "counterfactuals": len(pairs),
        "complaints": sum(complaint(passage, new) is not None for passage, new in pairs),
        "article_errors": sum(len(wrong_articles(new.caption)) for _, new in pairs),
        "kinds": len({edit.kind for _, new in pairs for edit in new.edits}),
        "values": len({value_of(edit) for _, new in pairs for edit in new.edits}),
    }


def edits(found: tuple[Rewriting, ...] | Failed) -> tuple[Rewriting, ...]:
    return () if isinstance(found, Failed) else found


def wrong_articles(caption: str) -> list[str]:
    """Every `a` or `an` that does not fit the word after it."""
    return [match[0] for match in ARTICLE.finditer(caption) if match[1].lower() != article(match[2])]


def show(passages: list[Passage], results: list[tuple[Rewriting, ...] | Failed]) -> None:
    for passage, found in zip(passages, results, strict=True):
        print(f"[{passage.label}] {passage.caption}")
        for new in edits(found):
            print(f"    {new.edits[0].kind}: {new.caption}")


if __name__ == "__main__":
    main()
