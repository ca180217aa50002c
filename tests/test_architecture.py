"""The laws of docs/architecture.md, held against the source and the documents."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "microbleeds"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
MODULES["__init__"] = SOURCE / "__init__.py"
NO_TORCH = ("read", "evaluate", "regions", "geometry", "report")
FILE_MODULES = {"pathlib", "io", "os", "nibabel", "safetensors", "json", "shutil", "pickle"}


@cache
def rooms() -> dict[str, tuple[int, int]]:
    """Room to (layer, row of the table): rooms of one row may import each other."""
    found: dict[str, tuple[int, int]] = {}
    for row, line in enumerate(ARCHITECTURE.read_text(encoding="utf-8").splitlines()):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[0].isdigit():
            found |= {name.rstrip("/"): (int(cells[0]), row) for name in re.findall(r"`([\w/]+)`", cells[1])}
    return found


def room_of(module: str) -> str:
    return module.split(".")[0]


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(node: ast.AST) -> list[str]:
    """Full names that an import statement names; of ``from a import b`` both ``a`` and ``a.b``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def ours(names: list[str]) -> set[str]:
    """Modules of this package among full names."""
    inside = {name.removeprefix("microbleeds.") for name in names if name.startswith("microbleeds.")}
    return inside & MODULES.keys()


def all_imports(module: str) -> list[str]:
    return [name for node in ast.walk(tree(module)) for name in imported(node)]


def imports_at_start(module: str) -> list[str]:
    """Imports that run when the module is imported: not those in functions or for type checking only."""

    def walk(body: list[ast.stmt]) -> list[str]:
        names: list[str] = []
        for node in body:
            names += imported(node)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            for part in ("body", "orelse", "handlers", "finalbody"):
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    names += walk([n for n in getattr(node, part, []) if isinstance(n, ast.stmt)])
        return names

    return walk(tree(module).body)


def reached(module: str) -> tuple[set[str], set[str]]:
    """Modules of ours, and top names of others, that importing a module brings in."""
    inside, outside, waiting = set(), set(), [module]
    while waiting:
        current = waiting.pop()
        if current in inside:
            continue
        inside.add(current)
        names = imports_at_start(current)
        outside |= {name.split(".")[0] for name in names if not name.startswith("microbleeds")}
        for name in ours(names):
            parts = name.split(".")
            waiting += [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return inside, outside


class TestLayers:
    def test_every_import_names_its_module_in_full(self):
        relative = [
            module
            for module in MODULES
            for node in ast.walk(tree(module))
            if isinstance(node, ast.ImportFrom) and node.level
        ]
        assert relative == [], "the laws below read full names"

    def test_the_table_is_read(self):
        assert rooms()["errors"][0] == 0
        assert rooms()["cli"][0] == max(layer for layer, _ in rooms().values())

    def test_every_room_has_a_layer(self):
        homeless = {room_of(module) for module in MODULES} - rooms().keys() - {"__init__"}
        assert not homeless, f"add to the table of {ARCHITECTURE.name}: {sorted(homeless)}"

    def test_every_room_of_the_table_exists(self):
        assert not rooms().keys() - {room_of(module) for module in MODULES}

    @pytest.mark.parametrize("module", sorted(MODULES))
    def test_imports_point_down(self, module: str):
        if room_of(module) not in rooms():
            pytest.skip("the package itself, or a room without a layer (another test says so)")
        layer, row = rooms()[room_of(module)]
        for name in sorted(ours(all_imports(module))):
            if room_of(name) in rooms():
                other_layer, other_row = rooms()[room_of(name)]
                assert other_layer < layer or other_row == row, f"{module} (layer {layer}) imports {name}"


class TestLaws:
    @pytest.mark.parametrize("room", NO_TORCH)
    def test_free_of_torch(self, room: str):
        for module in [m for m in MODULES if room_of(m) == room]:
            assert "torch" not in {name.split(".")[0] for name in all_imports(module)}, module
            assert "torch" not in reached(module)[1], f"{module} brings in torch through another module"

    @pytest.mark.parametrize("module", ["weights.card", "weights.anatomy_card", "weights.pair"])
    def test_cards_are_free_of_torch(self, module: str):
        assert "torch" not in reached(module)[1]

    @pytest.mark.parametrize("verb", ["info", "schema", "evaluate", "detect", "simulate", "train", "app"])
    def test_help_is_free_of_torch_and_numpy(self, verb: str):
        assert not {"torch", "numpy", "rich"} & reached(f"cli.{verb}")[1]

    def test_networks_read_no_file(self):
        for module in [m for m in MODULES if room_of(m) == "networks"]:
            assert not FILE_MODULES & {name.split(".")[0] for name in all_imports(module)}, module
            calls = {ast.unparse(n.func) for n in ast.walk(tree(module)) if isinstance(n, ast.Call)}
            assert not calls & {"open", "torch.load", "np.load"}, module

    @pytest.mark.parametrize("room", ["simulate", "training"])
    def test_not_needed_to_detect(self, room: str):
        assert room not in {room_of(module) for module in reached("pipeline")[0]}


class TestStyle:
    @pytest.mark.parametrize("module", sorted(MODULES))
    def test_house_rules(self, module: str):
        text = MODULES[module].read_text(encoding="utf-8")
        nodes = list(ast.walk(tree(module)))
        assert len(text.splitlines()) <= 400, "split the file"
        assert not {"utils", "helpers", "misc", "common", "utilities"} & set(module.split("."))
        assert ast.get_docstring(tree(module)), "say what the module is"
        assert not any(isinstance(n, ast.ExceptHandler) and n.type is None for n in nodes), "bare except"
        assert not any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in nodes)
        if room_of(module) != "cli":
            assert not any(isinstance(n, ast.Call) and ast.unparse(n.func) == "print" for n in nodes)

    @pytest.mark.parametrize("module", sorted(MODULES))
    def test_functions_are_short(self, module: str):
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node, clean=False) or ""
                length = (node.end_lineno or 0) - node.lineno + 1 - len(text.splitlines())
                assert length <= 60, f"{module}.{node.name} has {length} lines"


@cache
def command_line() -> Any:
    from microbleeds.cli.app import app

    command = typer.main.get_command(app)
    assert hasattr(command, "commands")
    return command


def choices_of(verb: str, parameter: str) -> set[str]:
    """Values of an option that takes one of a few words; typer keeps them in the function's annotations alone."""
    module = importlib.import_module(f"microbleeds.cli.{verb.replace('-', '_')}")
    hint = get_type_hints(getattr(module, verb.replace("-", "_")))[parameter]
    return {member.value for member in hint} if isinstance(hint, type) and issubclass(hint, Enum) else set()


def documented_commands() -> list[tuple[str, str]]:
    """Document and command line of each code block line that starts with ``microbleeds``."""
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            joined = re.sub(r"\\\n\s*", " ", block)
            for line in joined.splitlines():
                bare = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
                if bare.startswith("microbleeds "):
                    found.append((path.name, bare))
        inline = re.findall(r"`(microbleeds [a-z][^`\n]*)`", text)
        found += [(path.name, line) for line in inline]
    return found


class TestDocuments:
    @pytest.mark.parametrize(("document", "line"), documented_commands() or [("none", "")])
    def test_documented_command_exists(self, document: str, line: str):
        if not line:
            pytest.skip("no document names a command yet")
        words = shlex.split(line, comments=True)[1:]
        commands = command_line().commands
        known = {option for p in command_line().params for option in p.opts} | {"--help"}
        while words and words[0].startswith("-"):
            assert words.pop(0) in known, f"{document}: {line}"
        if not words:
            return
        verb = words.pop(0)
        assert verb in commands, f"{document} names the verb {verb}, which does not exist"
        options = {option: p for p in commands[verb].params for option in (*p.opts, *p.secondary_opts)}
        for n, word in enumerate(words):
            name, _, value = word.partition("=")
            if not name.startswith("--") or name == "--help":
                continue
            assert name in options, f"{document} names {name} of {verb}, which does not exist"
            choices = choices_of(verb, options[name].name)
            given = value or (words[n + 1] if n + 1 < len(words) else "")
            if choices and given and given.upper() != given:
                assert set(given.split("|")) <= choices, f"{document}: {line}"

    def test_every_option_is_used(self):
        for module in [m for m in MODULES if m.startswith("cli.") and m != "cli.app"]:
            verb = module.split(".")[1].replace("_", "-")
            for node in tree(module).body:
                if isinstance(node, ast.FunctionDef) and node.name.replace("_", "-") == verb:
                    named = {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
                    used = {n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name)}
                    assert named <= used, f"{module} ignores {sorted(named - used)}"
