"""Short files, short functions, few parameters: what one can read in one go."""

import ast
from collections.abc import Iterator

from policy import ROOT, SRC, Source, dotted, imports, say, source, sources

FILE, RECIPE, FUNCTION, COMMAND, PARAMETERS = 300, 150, 40, 15, 6
WRITTEN_BY_HAND = {".html", ".css", ".js", ".jinja", ".j2"}  # besides Python; lists of facts may be as long as they are

Function = ast.FunctionDef | ast.AsyncFunctionDef


def violations(*modules: Source) -> list[str]:
    """Where modules are longer or wider than their budget."""
    commands = {name for module in modules if module.unit == "cli" for name in _commands(module)}
    return [problem for module in modules for problem in _violations(module, commands)]


def _violations(module: Source, commands: set[str]) -> Iterator[str]:
    lines = len(module.text.splitlines())
    limit = RECIPE if module.unit == "recipes" else FILE
    if lines > limit:
        yield f"{module.where}:{limit}: {lines} lines, at most {limit}"
    for owner, function in _functions(module.tree):
        is_command = f"{module.name}.{function.name}" in commands
        for complaint in _complaints(function, isinstance(owner, ast.ClassDef), is_command):
            yield f"{module.where}:{function.lineno}: {function.name} {complaint}"


def _complaints(function: Function, is_method: bool, is_command: bool) -> Iterator[str]:
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    if is_command:
        body = _body_lines(function)
        if body > COMMAND:
            yield f"is a command with {body} lines of body, at most {COMMAND}: parse, call, show"
        return
    if length > FUNCTION:
        yield f"has {length} lines, at most {FUNCTION}"
    width = _parameters(function, is_method)
    if width > PARAMETERS:
        yield f"has {width} parameters, at most {PARAMETERS}"


def _functions(tree: ast.AST) -> Iterator[tuple[ast.AST, Function]]:
    for owner in ast.walk(tree):
        for child in ast.iter_child_nodes(owner):
            if isinstance(child, Function):
                yield owner, child


def _parameters(function: Function, is_method: bool) -> int:
    said = function.args
    named = [*said.posonlyargs, *said.args]
    is_bound = is_method and not any(dotted(mark) == "staticmethod" for mark in function.decorator_list)
    return len(named) - is_bound + len(said.kwonlyargs) + (said.vararg is not None) + (said.kwarg is not None)


def _body_lines(function: Function) -> int:
    """Lines of what is done: neither the options nor the help text."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _commands(module: Source) -> Iterator[str]:
    """Full names of functions that typer calls: decorated as a command or a callback, or handed to one."""
    origins = {said.rpartition(".")[2]: said for _, said in imports(module)}
    for node in ast.walk(module.tree):
        if isinstance(node, Function) and any(_registers(mark) for mark in node.decorator_list):
            yield f"{module.name}.{node.name}"
        if isinstance(node, ast.Call) and _registers(node.func):
            for name in map(dotted, node.args):
                first, dot, rest = name.partition(".")
                yield origins.get(first, f"{module.name}.{first}") + dot + rest


def _registers(node: ast.AST) -> bool:
    name = dotted(node.func if isinstance(node, ast.Call) else node)
    return name.endswith((".command", ".callback"))


def test_files_functions_and_commands_keep_their_budgets():
    problems = violations(*sources())
    assert not problems, say(problems)


def test_templates_and_styles_keep_the_budget_of_a_file():
    lengths = {path: len(path.read_text().splitlines()) for path in SRC.rglob("*") if path.suffix in WRITTEN_BY_HAND}
    problems = [f"{path.relative_to(ROOT)}: {n} lines, at most {FILE}" for path, n in lengths.items() if n > FILE]
    assert not problems, say(problems)


def test_a_long_file_is_seen_and_a_recipe_sooner():
    assert violations(source("counterfactory.store", "x = 1\n" * 301))
    assert not violations(source("counterfactory.store", "x = 1\n" * 300))
    assert violations(source("counterfactory.recipes.dalda", "x = 1\n" * 151))


def test_a_long_function_is_seen_with_its_line():
    long = "x = 1\ndef long():\n" + "    x = 1\n" * 40
    assert violations(source("counterfactory.store", long)) == [
        "counterfactory/store.py:2: long has 41 lines, at most 40"
    ]


def test_a_wide_function_is_seen_and_self_does_not_count():
    assert violations(source("counterfactory.store", "def wide(a, b, c, d, *, e, f, g): ..."))
    method = "class A:\n    def wide(self, a, b, c, d, e, f{more}): ..."
    assert not violations(source("counterfactory.store", method.format(more="")))
    assert violations(source("counterfactory.store", method.format(more=", g")))


def test_a_command_may_have_many_options_but_little_to_do():
    head = "@app.command()\ndef job(a, b, c, d, e, f, g):\n    '''Help.'''\n"
    assert not violations(source("counterfactory.cli.jobs", head + "    x = 1\n" * 15))
    assert "16 lines of body" in violations(source("counterfactory.cli.jobs", head + "    x = 1\n" * 16))[0]
    long = "def job(a, b, c, d, e, f, g):\n" + "    x = 1\n" * 16
    jobs = source("counterfactory.cli.jobs", long + "app.command('job')(job)")
    assert "16 lines of body" in violations(jobs)[0]


def test_a_command_that_another_module_registers_is_a_command():
    jobs = source("counterfactory.cli.jobs", "def job(a, b, c, d, e, f, g):\n    x = 1")
    app = source("counterfactory.cli.app", "from counterfactory.cli import jobs\napp.command()(jobs.job)")
    assert not violations(jobs, app)
    assert "7 parameters" in violations(jobs)[0]
