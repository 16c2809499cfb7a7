"""The style that a machine can see (docs: CONTRIBUTING.md): `python -m deploy.check_style`.

What ruff and mypy do not look at: names that say nothing of the value, several statements in one
tuple assignment, calls that nobody can read for their arguments, records built by position, modules
that do not say what is public, and layout that is switched off outside tables and kernels.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PACKAGES", "faults", "main"]

ROOT = Path(__file__).parents[1]
PROGRAM = ("midstep", "edge_node", "user_agent", "orchestrator")
PACKAGES = (*PROGRAM, "training", "deploy", "benchmarks", "examples")
PARTICIPLES = {
    "asked", "found", "given", "kept", "made", "said", "seen", "taken", "there", "told",
}  # fmt: skip
MOST_PARAMETERS = 7
MOST_FIELDS = 7  # of a record that may be built by position
SKIP = re.compile(r"#\s*fmt:\s*skip")


def main() -> int:
    """Print every fault; the exit status."""
    lines = [
        line for path in _sources() for line in faults(path.relative_to(ROOT), path.read_text())
    ]
    for line in lines:
        print(line)
    print(f"style: {len(lines)} faults" if lines else "style: as CONTRIBUTING.md has it")
    return 1 if lines else 0


def faults(path: Path, text: str) -> Iterator[str]:
    """What is wrong in a module's source, `path:line: what` each."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for what in (*_names(node), *_assignments(node), *_parameters(node), *_records(node)):
            yield f"{path}:{getattr(node, 'lineno', 1)}: {what}"
    if path.parts[0] in PROGRAM and not _says_what_is_public(path, tree):
        yield f"{path}:1: a public module has an __all__"
    yield from (f"{path}:{line}: {what}" for line, what in _layout(tree, text))


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "v1" not in path.parts:
                yield path


def _names(node: ast.AST) -> Iterator[str]:
    """Participles as names: they say what was done to a value, not what it is."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        name = node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        name = node.attr
    elif isinstance(node, ast.arg):
        name = node.arg
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        name = node.name
    else:
        return
    if name.strip("_") in PARTICIPLES:
        yield f"the name {name} does not say what the value is"


def _assignments(node: ast.AST) -> Iterator[str]:
    """A tuple assignment swaps or unpacks a call; all else is several statements in a line."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return
    targets = node.targets[0]
    if len(node.targets) > 1 or not isinstance(targets, ast.Tuple):
        return
    if any(isinstance(part, ast.Starred) for part in (*targets.elts, *node.value.elts)):
        return
    if len(targets.elts) == len(node.value.elts) and not _swaps(targets, node.value):
        yield "one statement a line: a tuple assignment swaps or unpacks a call"


def _swaps(targets: ast.Tuple, values: ast.Tuple) -> bool:
    """Whether a value reads what an earlier target writes."""
    for i, target in enumerate(targets.elts):
        root = ast.unparse(target).split("[")[0]
        for later in (*values.elts[i + 1 :], *targets.elts[i + 1 :]):
            reads = {ast.unparse(part) for part in ast.walk(later)} - {ast.unparse(later)}
            if isinstance(later, ast.Name | ast.Attribute) and later in values.elts:
                reads.add(ast.unparse(later))
            calls = any(isinstance(part, ast.Call) for part in ast.walk(later))
            if root in reads or ast.unparse(target) in reads:
                return True
            if calls and isinstance(target, ast.Attribute):
                return True  # a method may read the attribute
    return False


def _parameters(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        named = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
        count = len([name for name in named if name not in ("self", "cls")])
        if count > MOST_PARAMETERS:
            yield (
                f"{node.name} has {count} positional parameters: "
                f"more than {MOST_PARAMETERS} want a record"
            )


def _records(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.ClassDef):
        return
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        name = ast.unparse(call.func if call else decorator)
        if name not in ("dataclass", "dataclasses.dataclass"):
            continue
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign) and _is_field(part)]
        by_keyword = call is not None and any(k.arg == "kw_only" for k in call.keywords)
        if len(fields) > MOST_FIELDS and not by_keyword:
            yield f"{node.name} has {len(fields)} fields: records are keyword-only"


def _is_field(part: ast.AnnAssign) -> bool:
    return "ClassVar" not in ast.unparse(part.annotation)


def _says_what_is_public(path: Path, tree: ast.Module) -> bool:
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    ]
    if not public or path.name == "__main__.py":
        return True
    return any(
        isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for node in tree.body
    )


def _layout(tree: ast.Module, text: str) -> Iterator[tuple[int, str]]:
    """`# fmt: skip` belongs to tables (values of a module) and to compiled kernels."""
    allowed: set[int] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            allowed |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for part in ast.walk(tree):
        if isinstance(part, ast.FunctionDef) and _is_kernel(part):
            allowed |= set(range(part.lineno, (part.end_lineno or part.lineno) + 1))
    for number, line in enumerate(text.splitlines(), 1):
        if SKIP.search(line) and number not in allowed and '"' not in line.split("#")[-1]:
            yield number, "fmt: skip is for tables and kernels"


def _is_kernel(function: ast.FunctionDef) -> bool:
    return any("njit" in ast.unparse(decorator) for decorator in function.decorator_list)


if __name__ == "__main__":
    sys.exit(main())
