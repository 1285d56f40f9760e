"""Rules of the house that a formatter cannot know: names, no inheritance, no traps, nothing done by importing."""

import ast
import re
from collections.abc import Iterator

import pytest

from policy import ROOT, Source, dotted, imports, say, source, sources

VAGUE = {"util", "utils", "helper", "helpers", "common", "base", "manager", "managers", "misc"}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
SETS_A_LIBRARY = re.compile(r"torch\..*\b(set_\w+|manual_seed|use_deterministic_algorithms)|.*\b(seed|basicConfig)$")
CHOOSER = re.compile(
    r"(transformers|diffusers)\.Auto(Config|FeatureExtractor|ImageProcessor|Model\w*|Processor|Tokenizer)"
)
DEVICE_WORD = re.compile(r"\bcuda\b")
DEVICE_FILE = "counterfactory.worker"


def test_no_module_has_a_vague_name():
    folders = [ROOT / "src", ROOT / "tests", ROOT / "benchmarks"]
    problems = [f"{p}: say what it knows" for folder in folders for p in folder.rglob("*.py") if p.stem in VAGUE]
    assert not problems, say(problems)


def test_every_module_begins_with_a_docstring():
    problems = [problem for module in sources() for problem in undocumented(module)]
    assert not problems, say(problems)


def test_our_classes_do_not_inherit_from_each_other():
    problems = heirs(sources())
    assert not problems, say(problems)


def test_no_traps():
    problems = [problem for module in sources() for problem in traps(module)]
    assert not problems, say(problems)


def test_importing_a_module_does_nothing_by_itself():
    problems = [problem for module in sources() for problem in effects(module)]
    assert not problems, say(problems)


def test_devices_are_named_in_one_file():
    problems = [problem for module in sources() for problem in device_words(module)]
    assert not problems, say(problems)


def undocumented(module: Source) -> list[str]:
    """A module that does not open with what it knows."""
    if ast.get_docstring(module.tree):
        return []
    return [f"{module.where}:1: open with one docstring sentence on what the module knows"]


def heirs(modules: tuple[Source, ...]) -> list[str]:
    """Classes of ours whose base is a class of ours, but for exceptions, protocols, network modules and contracts."""
    bases = {f"{m.name}.{c.name}": [_meant(m, base) for base in c.bases] for m in modules for c in _classes(m)}
    lines = {f"{m.name}.{c.name}": f"{m.where}:{c.lineno}" for m in modules for c in _classes(m)}
    return [
        f"{lines[name]}: {name.rpartition('.')[2]} inherits from our {base.rpartition('.')[2]}: hold one instead"
        for name, known in bases.items()
        for base in known
        if base in bases and not _may_be_inherited(base, bases)
    ]


def _may_be_inherited(name: str, bases: dict[str, list[str]]) -> bool:
    if name.startswith("counterfactory.testing."):
        return True
    if name not in bases:
        last = name.rpartition(".")[2]
        return last.endswith(("Exception", "Error", "Warning")) or last in {"Protocol", "Module"}
    return any(_may_be_inherited(base, bases) for base in bases[name])


def _classes(module: Source) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef))


def _meant(module: Source, base: ast.expr) -> str:
    """The full name of a base class, as far as the module's own imports tell; `Step[A, B]` is `Step`."""
    name = dotted(base.value if isinstance(base, ast.Subscript) else base)
    first, _, rest = name.partition(".")
    if any(node.name == first for node in _classes(module)):
        return f"{module.name}.{name}"
    for _, imported in imports(module):
        if imported.rpartition(".")[2] == first:
            return f"{imported}.{rest}" if rest else imported
    return name


def traps(module: Source) -> list[str]:
    """What hides errors, runs what it reads, or shows what a page should escape."""
    choosers = _choosers(module)
    found = [
        f"{module.where}:{line}: imports {name}: results are JSON and safetensors"
        for line, name in imports(module)
        if name.split(".")[0] in PICKLES
    ]
    for node in ast.walk(module.tree):
        complaint = _trap(module, node) or _trusts(node, choosers)
        if complaint:
            found.append(f"{module.where}:{node.lineno}: {complaint}")  # type: ignore[attr-defined]
    return found


def _trap(module: Source, node: ast.AST) -> str | None:
    if isinstance(node, ast.ExceptHandler) and node.type is None:
        return "a bare except also catches Ctrl-C: name what may go wrong"
    if isinstance(node, ast.Global):
        return "global state: give it as an argument"
    if not isinstance(node, ast.Call):
        return None
    name = dotted(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in {"eval", "exec"} or name in SHELLS or _is(given.get("shell"), True):
        return f"{name} runs text as code"
    if name == "torch.load" and not _is(given.get("weights_only"), True):
        return "torch.load without weights_only=True runs what the file says"
    if name in {"yaml.load", "yaml.full_load", "yaml.unsafe_load"}:
        return f"{name} builds any object: yaml.safe_load"
    if _is(given.get("allow_pickle"), True) or _is(given.get("trust_remote_code"), True):
        return "runs what a file says: models and data are names, never code"
    return _unescaped(module, name, given)


def _trusts(node: ast.AST, choosers: set[str]) -> str | None:
    """A class that chooses the model by what its folder says, and so may ask a person for leave to run its code."""
    name, _, method = dotted(node.func).rpartition(".") if isinstance(node, ast.Call) else ("", "", "")
    if name not in choosers or method != "from_pretrained":
        return None
    if any(said.arg == "trust_remote_code" and _is(said.value, False) for said in node.keywords):
        return None
    return f"{name} without trust_remote_code=False asks whether a model's own code may run"


def _choosers(module: Source) -> set[str]:
    """`AutoModel` and its like, and the names that the module gives them."""
    known = {name.rpartition(".")[2] for _, name in imports(module) if CHOOSER.fullmatch(name)}
    given = (node for node in ast.walk(module.tree) if isinstance(node, ast.Assign | ast.AnnAssign) and node.value)
    for node in given:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        known |= {dotted(each) for each in targets if known & set(map(dotted, ast.walk(node.value)))}
    return known


def _unescaped(module: Source, name: str, given: dict[str | None, ast.expr]) -> str | None:
    """Jinja without escaping, unless the text goes to a model and the environment is a sandbox."""
    last = name.rpartition(".")[2]
    if last not in {"Environment", "Template"} or not any(said.startswith("jinja2") for _, said in imports(module)):
        return None
    if "autoescape" in given and not _is(given["autoescape"], False):
        return None
    return f"jinja2.{last} without autoescape: give it, or render a prompt in a SandboxedEnvironment"


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def effects(module: Source) -> list[str]:
    """Statements that act when the module is imported, and not only when something in it is called."""
    made = _made_here(module)
    return [
        f"{module.where}:{node.lineno}: {why}" for node in _at_import(module.tree.body) if (why := _effect(node, made))
    ]


def _effect(node: ast.stmt, made: set[str]) -> str | None:
    if isinstance(node, ast.For | ast.While | ast.With):
        return "a loop or a block at import: put it into a function"
    for call in (part for part in ast.walk(node) if isinstance(part, ast.Call)):
        if SETS_A_LIBRARY.match(dotted(call.func)):
            return f"{dotted(call.func)} at import changes a library for everyone"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = _called(node.value)
        return None if name.partition(".")[0] in made else f"{name}(...) is called at import"
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
        for target in node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]:
            root = dotted(target.value if isinstance(target, ast.Subscript) else target)
            if isinstance(target, ast.Subscript | ast.Attribute) and root.partition(".")[0] not in made:
                return f"{root} belongs to someone else and is changed at import"
    return None


def _at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run at import, those under `if` and `try` too, but not a script's `if __name__ == ...`."""
    for node in body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.If | ast.Try):
            inner = [node.body, node.orelse, getattr(node, "finalbody", [])]
            inner += [handler.body for handler in getattr(node, "handlers", [])]
            yield from (statement for part in inner for statement in _at_import(part))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def _called(call: ast.Call) -> str:
    """The name that a call goes out from: `app.command` for `app.command("x")(f)`."""
    return _called(call.func) if isinstance(call.func, ast.Call) else dotted(call.func)


def _made_here(module: Source) -> set[str]:
    """Names that the module itself made; in `cli`, also the application that its parts hang their commands on."""
    made = {
        target.id
        for node in module.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    if module.unit == "cli":
        ours = (name for _, name in imports(module) if name.startswith("counterfactory.cli."))
        made |= {name.rpartition(".")[2] for name in ours}
    return made


def device_words(module: Source) -> list[str]:
    """Lines that name one maker's device; the worker knows devices, everything else asks it."""
    if module.name == DEVICE_FILE:
        return []
    lines = enumerate(module.text.splitlines(), 1)
    return [f"{module.where}:{n}: names a device; ask the worker" for n, line in lines if DEVICE_WORD.search(line)]


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    f()\nexcept:\n    pass",
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "yaml.load(text)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "from transformers import AutoModel\nAutoModel.from_pretrained(name)",
        "from transformers import AutoTokenizer\nkind: Any = AutoTokenizer\nkind.from_pretrained(name)",
        "def f():\n    global x\n    x = 1",
        "from jinja2 import Environment\nEnvironment()",
        "import jinja2\njinja2.Environment(autoescape=False)",
        "import jinja2\njinja2.Template(text)",
    ],
)
def test_a_trap_is_seen(text: str):
    assert traps(source("counterfactory.report", text))


@pytest.mark.parametrize(
    "text",
    [
        "model.eval()",
        "torch.load(path, weights_only=True)",
        "from transformers import AutoModel\nAutoModel.from_pretrained(name, trust_remote_code=False)",
        "from transformers import CLIPModel\nCLIPModel.from_pretrained(name)",
        "subprocess.run([name])",
        "yaml.safe_load(text)",
        "from jinja2.sandbox import SandboxedEnvironment\nSandboxedEnvironment()",
        "from jinja2 import Environment, select_autoescape\nEnvironment(autoescape=select_autoescape())",
        "try:\n    f()\nexcept OSError:\n    pass",
    ],
)
def test_what_only_looks_like_a_trap_passes(text: str):
    assert not traps(source("counterfactory.report", text))


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ntorch.set_num_threads(1)",
        "import torch\nold = torch.set_grad_enabled(False)",
        "import warnings\nwarnings.filterwarnings('ignore')",
        "import os\nos.environ['A'] = 'b'",
        "from PIL import Image\nImage.MAX_IMAGE_PIXELS = None",
        "if True:\n    print('hello')",
        "for name in names:\n    keep(name)",
    ],
)
def test_an_effect_of_importing_is_seen(text: str):
    assert effects(source("counterfactory.pixels", text))


@pytest.mark.parametrize(
    "text",
    [
        "from functools import partial\nf = partial(int, base=2)",
        "import typer\napp = typer.Typer()\napp.command('x')(f)",
        "known = {}\nknown['a'] = 1",
        "if __name__ == '__main__':\n    main()",
        "def f():\n    print('only when called')",
    ],
)
def test_making_one_s_own_values_is_no_effect(text: str):
    assert not effects(source("counterfactory.pixels", text))


def test_a_command_may_hang_itself_on_the_application_but_only_in_cli():
    text = "from counterfactory.cli.app import app\napp.command('x')(f)"
    assert not effects(source("counterfactory.cli.jobs", text))
    assert effects(source("counterfactory.recipes.dalda", text))


def test_an_heir_is_seen_also_through_another_module():
    parent = source("counterfactory.score.clip", "class Clip: ...\nclass Warm(Clip): ...")
    child = source("counterfactory.score.dino", "from counterfactory.score import clip\nclass Dino(clip.Clip): ...")
    assert [problem.partition(":")[0] for problem in heirs((parent, child))] == [parent.where, child.where]


def test_exceptions_protocols_modules_and_contracts_may_be_inherited():
    families = (
        source("counterfactory.errors", "class Trouble(Exception): ...\nclass BadData(Trouble): ..."),
        source(
            "counterfactory.types", "from typing import Protocol\nclass Step(Protocol[A]): ...\nclass X(Step[int]): ..."
        ),
        source("counterfactory.classify", "from torch import nn\nclass Block(nn.Module): ...\nclass Head(Block): ..."),
        source("counterfactory.testing.step", "class Contract: ...\nclass Longer(Contract): ..."),
        source("counterfactory.store", "from pydantic import BaseModel\nclass Config(BaseModel): ..."),
    )
    assert not heirs(families)


def test_a_module_without_a_docstring_and_a_device_elsewhere_are_seen():
    assert undocumented(source("counterfactory.store", "import os\n'''Too late.'''"))
    assert device_words(source("counterfactory.classify", "x = 1\ny.to('cuda:0')")) == [
        "counterfactory/classify.py:2: names a device; ask the worker"
    ]
    assert not device_words(source("counterfactory.worker", "y.to('cuda')"))
    assert not device_words(source("counterfactory.doctor", "'A CUDA build of torch'"))
