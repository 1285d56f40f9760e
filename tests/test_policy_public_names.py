"""What others may build on changes only on purpose: names, fields and entry points, compared with a text file.

After a change that is meant: `python tests/test_policy_public_names.py --write`, and say it in CHANGELOG.md.
"""

import ast
import difflib
import sys
import tomllib
from collections.abc import Iterator

from policy import ROOT, Source, dotted, say, source, sources

SNAPSHOT = ROOT / "tests" / "public_names.txt"
REMEDY = "If this change is meant: python tests/test_policy_public_names.py --write, and a line in CHANGELOG.md."


def public_names(modules: tuple[Source, ...]) -> list[str]:
    """The front door, the nouns, the contracts and the entry points, one a line, each with its fields or parameters."""
    by_name = {module.name: module for module in modules}
    lines = [line for module in modules if _is_public(module) for line in _of_module(module)]
    for group, name, target in _entry_points():
        module, _, said = target.partition(":")
        lines.append(f"[{group}] {name} = {target}")
        if group.startswith("counterfactory.recipes") and module in by_name:
            lines += [line for line in _of_module(by_name[module]) if line.startswith(f"{module}.{said}")]
    return sorted(set(lines))


def _is_public(module: Source) -> bool:
    return module.name == "counterfactory" or module.unit in {"types", "testing"}


def _entry_points() -> Iterator[tuple[str, str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"scripts": project.get("scripts", {}), **project.get("entry-points", {})}
    yield from ((group, name, target) for group, points in groups.items() for name, target in points.items())


def _of_module(module: Source) -> Iterator[str]:
    shown = _all(module)
    for node in module.tree.body:
        for name, said in _definitions(node):
            if name in shown if shown is not None else not name.startswith("_"):
                yield f"{module.name}.{name}{said}"
                if isinstance(node, ast.ClassDef):
                    yield from (f"{module.name}.{name}.{method}" for method in _methods(node))
    if shown is not None:
        defined = {name for node in module.tree.body for name, _ in _definitions(node)}
        yield from (f"{module.name}.{name}" for name in shown - defined)


def _all(module: Source) -> set[str] | None:
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and [dotted(target) for target in node.targets] == ["__all__"]:
            return set(ast.literal_eval(node.value))
    return None


def _definitions(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """What a statement names, with its fields or parameters; type variables are nobody's business."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name, f"({', '.join(_parameters(node))})"
    elif isinstance(node, ast.ClassDef):
        yield node.name, f"({', '.join(_fields(node))})"
    elif isinstance(node, ast.AnnAssign):
        yield dotted(node.target), ""
    elif isinstance(node, ast.Assign) and not ast.unparse(node.value).startswith("TypeVar("):
        yield from ((dotted(target), "") for target in node.targets if dotted(target) not in {"", "__all__"})


def _names(module: Source) -> set[str]:
    """All that can be had from a module, what it imported included."""
    imported = (node for node in module.tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    return {name for node in module.tree.body for name, _ in _definitions(node)} | {
        alias.asname or alias.name for node in imported for alias in node.names
    }


def _fields(node: ast.ClassDef) -> list[str]:
    made = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    if made is not None:
        return _parameters(made)[1:]
    return [dotted(part.target) for part in node.body if isinstance(part, ast.AnnAssign)]


def _methods(node: ast.ClassDef) -> Iterator[str]:
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and not part.name.startswith(("_", "test_")):
            yield f"{part.name}({', '.join(_parameters(part)[1:])})"


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    said = function.args
    named = [argument.arg for argument in [*said.posonlyargs, *said.args, *said.kwonlyargs]]
    rest = [(said.vararg, "*"), (said.kwarg, "**")]
    return named + [stars + argument.arg for argument, stars in rest if argument is not None]


def test_public_names_change_only_on_purpose():
    then, now = SNAPSHOT.read_text().splitlines(), public_names(sources())
    changes = [line for line in difflib.unified_diff(then, now, "then", "now", lineterm="", n=0) if line[:2] != "@@"]
    assert then == now, say([*changes, REMEDY])


def test_every_entry_point_stands_for_something():
    by_name = {module.name: module for module in sources()}
    for group, name, target in _entry_points():
        module, _, said = target.partition(":")
        assert module in by_name, f"[{group}] {name} = {target}: there is no module {module}"
        assert said in _names(by_name[module]), f"[{group}] {name} = {target}: {module} has no {said}"


def test_fields_methods_and_parameters_belong_to_a_name():
    text = "Plain = int\nT = TypeVar('T')\nclass A:\n    x: int = 1\n    def f(self, y, *, z): ...\ndef _g(): ..."
    found = [line for line in public_names((source("counterfactory.types", text),)) if not line.startswith("[")]
    assert found == ["counterfactory.types.A(x)", "counterfactory.types.A.f(y, z)", "counterfactory.types.Plain"]


def test_the_front_door_shows_what_it_says():
    text = "__all__ = ['Run', 'f']\nfrom counterfactory.run import Run\ndef f(a): ...\ndef g(): ..."
    found = [line for line in public_names((source("counterfactory", text),)) if not line.startswith("[")]
    assert found == ["counterfactory.Run", "counterfactory.f(a)"]


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    SNAPSHOT.write_text("\n".join(public_names(sources())) + "\n")
