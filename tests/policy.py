"""The project's own sources as syntax trees, for the tests that hold its shape. Knows no rule."""

import ast
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
NOT_OURS = {".git", ".venv", "__pycache__", "runs", "dist", "build", ".pytest_cache", ".ruff_cache", ".mypy_cache"}


@dataclass(frozen=True)
class Source:
    """One module: its dotted name, where it lies, its text and its tree."""

    name: str
    where: str
    text: str
    tree: ast.Module

    @property
    def unit(self) -> str:
        """The part of the package that it belongs to: `data` for `counterfactory.data.coco`, empty for the package."""
        return self.name.partition(".")[2].partition(".")[0]


def source(name: str, text: str) -> Source:
    """A module that stands in no file: an example for a rule's own test."""
    return Source(name=name, where=name.replace(".", "/") + ".py", text=text, tree=ast.parse(text))


@cache
def sources() -> tuple[Source, ...]:
    """Every module under `src`."""
    return tuple(_read(path) for path in sorted(SRC.rglob("*.py")) if "__pycache__" not in path.parts)


def _read(path: Path) -> Source:
    parts = path.relative_to(SRC).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    text = path.read_text(encoding="utf-8")
    return Source(name=name, where=str(path.relative_to(ROOT)), text=text, tree=ast.parse(text, str(path)))


def imports(module: Source) -> Iterator[tuple[int, str]]:
    """Line and dotted name of all that a module imports, also inside functions; relative names made whole."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _whole(module, node)
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def guarded(module: Source) -> set[int]:
    """Lines of imports that a module can do without: tried, with an answer to their failure."""
    tries = (node for node in ast.walk(module.tree) if isinstance(node, ast.Try))
    answered = (node for node in tries if any("ImportError" in ast.unparse(h.type or h) for h in node.handlers))
    return {part.lineno for node in answered for part in node.body if isinstance(part, ast.Import | ast.ImportFrom)}


def _whole(module: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = module.where.endswith("__init__.py")
    kept = module.name.split(".")[: len(module.name.split(".")) - node.level + is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def dotted(node: ast.AST) -> str:
    """`a.b.c` for an expression that is such a name, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        origin = dotted(node.value)
        return f"{origin}.{node.attr}" if origin else ""
    return ""


def project_files() -> list[Path]:
    """What a commit would hold: tracked files and new ones that nothing ignores."""
    if not (ROOT / ".git").exists():
        return [p for p in ROOT.rglob("*") if p.is_file() and not NOT_OURS & set(p.relative_to(ROOT).parts)]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    paths = (ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def say(problems: list[str]) -> str:
    """All problems, one a line, as the message of an assertion."""
    return "\n" + "\n".join(problems)
