"""Imports follow the layers of docs/design.md: lower never imports upper, parts do not import each other."""

import sys

from policy import Source, guarded, imports, say, source, sources

LAYERS = (
    {"types", "errors"},
    {"store", "blobs", "keys", "names", "shipped", "codec", "pixels", "worker", "config", "plugins", "record"}
    | {"processes"},
    {"run", "watch", "executors", "publish", "prune", "search", "training", "asking"},
    {"data", "language", "caption", "diffusion", "score", "classify", "metrics"},
    {"explain"},
    {"recipes", "zoo"},
    {"cli", "report", "demo", "doctor", "catalogue", "__main__"},
)
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}
PARTS = LAYERS[3]
CONTRACTS = "testing"  # ships to plug-in authors: may know the core and pytest, and nobody in the package knows it

# What stays quick to import, and what a machine without a deep-learning library can still read.
WITHOUT_TORCH = {*LAYERS[0], *LAYERS[1] - {"worker"}, "data", "report"}
# They need torchvision, which has no CPU build everywhere: behind an extra, and only where it is tried for.
NEEDS_TORCHVISION = {"torchvision", "timm", "lpips", "torch_fidelity", "open_clip", "cleanfid", "piq"}
# Dropped for supply chain, licence or upkeep (docs/decisions/0008).
DROPPED = {"litellm", "lightning", "pytorch_lightning", "albumentations"}


def violations(module: Source) -> list[str]:
    """What a module imports and should not know."""
    found = []
    for line, name in imports(module):
        is_ours = name.partition(".")[0] == "counterfactory"
        complaint = _inside(module.unit, name) if is_ours else _outside(module, name, line in guarded(module))
        if complaint:
            found.append(f"{module.where}:{line}: {complaint}")
    return found


def _inside(unit: str, name: str) -> str | None:
    other = _unit_of(name)
    if unit == "" or other in {unit, None}:
        return None  # the package's front door may show anything; a part may know itself
    if unit not in LEVEL and unit != CONTRACTS:
        return f"{unit!r} has no layer: give it one in {__name__}.py and in docs/design.md"
    if other == CONTRACTS:
        return "the contracts in counterfactory.testing are for tests, not for the package"
    if other not in LEVEL:
        return f"{other!r} has no layer: give it one in {__name__}.py and in docs/design.md"
    highest = 2 if unit == CONTRACTS else LEVEL[unit]
    if LEVEL[other] > highest:
        return f"{unit} (layer {highest}) imports {other} (layer {LEVEL[other]}): lower never imports upper"
    if unit in PARTS and other in PARTS:
        return f"the part {unit} imports the part {other}: parts meet in recipes"
    if unit in PARTS and other == "run":
        return f"the part {unit} imports run: parts know the nouns, recipes know the run"
    return None


def _unit_of(name: str) -> str | None:
    """The unit that an imported name lies in; none for what the package itself says (`__version__`)."""
    unit = name.partition(".")[2].partition(".")[0]
    return None if unit == "" or (unit.startswith("__") and unit != "__main__") else unit


def _outside(module: Source, name: str, is_guarded: bool) -> str | None:
    library = name.partition(".")[0]
    if library in DROPPED:
        return f"imports {library}, which this project does not use"
    if library in NEEDS_TORCHVISION and not is_guarded:
        return f"imports {library}, which the base install does not have: behind an extra, inside of try"
    if library == "torch" and module.unit in WITHOUT_TORCH:
        return f"{module.unit} imports torch and must do without"
    if library == "pytest" and module.unit != CONTRACTS:
        return "imports pytest outside of counterfactory.testing"
    return None


def cycles(modules: tuple[Source, ...]) -> list[str]:
    """Units of one layer that know each other both ways, directly or around a corner."""
    knows: dict[str, set[str]] = {}
    for module in modules:
        ours = {_unit_of(name) for _, name in imports(module) if name.partition(".")[0] == "counterfactory"}
        knows.setdefault(module.unit, set()).update(unit for unit in ours if unit and module.unit)
    return sorted(f"{unit} imports itself through others" for unit in knows if unit in _reached(unit, knows))


def _reached(start: str, knows: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = knows.get(start, set()) - {start}
    while waiting:
        reached |= waiting
        waiting = {other for unit in waiting for other in knows.get(unit, set()) - {unit}} - reached
    return reached


def test_imports_follow_the_layers():
    problems = [problem for module in sources() for problem in violations(module)]
    assert not problems, say(problems)


def test_no_unit_imports_itself_through_others():
    assert not cycles(sources()), say(cycles(sources()))


def test_every_module_has_a_layer():
    lost = [m.where for m in sources() if m.unit not in {*LEVEL, CONTRACTS, ""}]
    assert not lost, f"give these a layer in {sys.modules[__name__].__file__} and in docs/design.md:" + say(lost)


def test_a_store_that_knows_a_recipe_is_seen():
    bad = source("counterfactory.store", "from counterfactory.recipes import baseline")
    assert "lower never imports upper" in violations(bad)[0]


def test_a_late_or_relative_import_is_an_import():
    late = source("counterfactory.keys", "def f():\n    import counterfactory.run")
    relative = source("counterfactory.data.coco", "from ..metrics import accuracy")
    assert violations(late)[0].startswith("counterfactory/keys.py:2:")
    assert "parts meet in recipes" in violations(relative)[0]


def test_a_part_that_knows_the_run_or_another_part_is_seen():
    assert violations(source("counterfactory.classify.steps", "from counterfactory.run import Run"))
    assert violations(source("counterfactory.score", "from counterfactory import metrics"))
    assert not violations(source("counterfactory.classify.steps", "from counterfactory.classify import heads"))


def test_contracts_know_the_core_only():
    assert not violations(source("counterfactory.testing.steps", "import pytest\nfrom counterfactory.run import Run"))
    assert violations(source("counterfactory.testing.steps", "from counterfactory.recipes import baseline"))
    assert violations(source("counterfactory.run", "from counterfactory.testing import steps"))


def test_heavy_and_dropped_libraries_are_seen():
    assert violations(source("counterfactory.data.coco", "def f():\n    from torch import nn"))
    assert violations(source("counterfactory.classify.steps", "import timm"))
    assert violations(source("counterfactory.classify.steps", "try:\n    import timm\nfinally:\n    pass"))
    assert not violations(source("counterfactory.score", "try:\n    import timm\nexcept ImportError:\n    timm = None"))
    assert violations(source("counterfactory.score", "try:\n    import litellm\nexcept ImportError:\n    pass"))
    assert not violations(source("counterfactory.worker", "def f():\n    import torch"))


def test_a_cycle_around_a_corner_is_seen():
    ring = (
        source("counterfactory.keys", "from counterfactory import blobs"),
        source("counterfactory.blobs", "from counterfactory.names import identity"),
        source("counterfactory.names", "import counterfactory.keys"),
    )
    assert len(cycles(ring)) == 3
    assert not cycles(ring[:2])
