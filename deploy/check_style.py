"""Check the style that a machine can see (CONTRIBUTING.md): `python -m deploy.check_style`.

ruff and mypy do not look at these: names that say nothing of the value, several statements in one
tuple assignment, signatures that nobody can read at the call, records built by position, modules
that do not say what is public, and layout that is switched off outside tables and kernels.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PACKAGES", "faults", "main"]

ROOT = Path(__file__).parents[1]
PROGRAM = ("midstep", "edge_node", "user_agent", "orchestrator")
PACKAGES = (*PROGRAM, "training", "deploy", "benchmarks", "examples")
GENERATED = Path("midstep", "v1")
PARTICIPLES = {
    "asked", "found", "given", "kept", "made", "said", "seen", "taken", "there", "told",
}  # fmt: skip
MOST_PARAMETERS = 7
MOST_FIELDS = 7  # of a record that may be built by position
LAYOUT_OFF = re.compile(r"#\s*fmt:\s*(skip|off)")
COMPILED = re.compile(r"\b(njit|jit|vectorize|guvectorize)\b")


def main() -> int:
    """Print every fault; the exit status: 0 there is none, 1 there are some."""
    lines = [line for path in _sources() for line in faults(path, (ROOT / path).read_text())]
    for line in lines:
        print(line)
    print(f"style: {len(lines)} faults" if lines else "style: as CONTRIBUTING.md has it")
    return 1 if lines else 0


def faults(path: Path, text: str) -> Iterator[str]:
    """List the faults of a module's source, `path:line: fault` each; `path` is from the root."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for fault in (*_names(node), *_assignments(node), *_parameters(node), *_records(node)):
            yield f"{path}:{getattr(node, 'lineno', 1)}: {fault}"
    if path.parts[0] in PROGRAM and not _says_what_is_public(path, tree):
        yield f"{path}:1: a public module has an __all__"
    yield from (f"{path}:{line}: {fault}" for line, fault in _layout(tree, text))


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            source = path.relative_to(ROOT)
            if source.parent != GENERATED:
                yield source


def _names(node: ast.AST) -> Iterator[str]:
    """Participles as names: they tell what happened to a value, not what it is."""
    name = _new_name(node)
    if name is not None and name.strip("_") in PARTICIPLES:
        yield f"the name {name} does not say what the value is"


def _new_name(node: ast.AST) -> str | None:
    """Name that a node of the syntax tree gives to something, None where it gives none."""
    match node:
        case ast.Name(id=str(name), ctx=ast.Store()):
            return name
        case ast.Attribute(attr=str(name), ctx=ast.Store()):
            return name
        case ast.arg(arg=str(name)):
            return name
        case ast.FunctionDef(name=str(name)) | ast.AsyncFunctionDef(name=str(name)):
            return name
        case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
            return name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return name
        case ast.MatchMapping(rest=str(name)):
            return name
    return None


def _assignments(node: ast.AST) -> Iterator[str]:
    """Tuple assignments that neither swap nor unpack a call: several statements in a line."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple | ast.List):
        return
    values = node.value.elts
    for target in node.targets:
        if not isinstance(target, ast.Tuple | ast.List):
            continue
        if any(isinstance(part, ast.Starred) for part in (*target.elts, *values)):
            continue
        if len(target.elts) == len(values) and not _swaps(target.elts, values):
            yield "one statement a line: a tuple assignment swaps or unpacks a call"


def _swaps(targets: list[ast.expr], values: list[ast.expr]) -> bool:
    """Whether a value may read what an earlier target writes: a line each would mean another."""
    for i, target in enumerate(targets):
        written = ast.unparse(target)
        container = written.split("[")[0]
        owner = re.split(r"\W", written)[0]
        for value in values[i + 1 :]:
            reads = {ast.unparse(part) for part in ast.walk(value) if isinstance(part, ast.expr)}
            calls = any(isinstance(part, ast.Call) for part in ast.walk(value))
            if written in reads or container in reads:
                return True
            if calls and owner in reads:
                return True  # a method of the object may read its attribute
    return False


def _parameters(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
        count = len([name for name in names if name not in ("self", "cls")])
        if count > MOST_PARAMETERS:
            yield (
                f"{node.name} has {count} positional parameters: "
                f"more than {MOST_PARAMETERS} want a record"
            )


def _records(node: ast.AST) -> Iterator[str]:
    """Dataclasses that are built from many values by position."""
    if not isinstance(node, ast.ClassDef):
        return
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        name = ast.unparse(call.func if call else decorator)
        if name not in ("dataclass", "dataclasses.dataclass"):
            continue
        options = {k.arg: ast.unparse(k.value) for k in call.keywords} if call else {}
        if options.get("kw_only") == "True" or options.get("init") == "False":
            continue
        count = _positional_fields(node)
        if count > MOST_FIELDS:
            yield f"{node.name} has {count} fields: records are keyword-only"


def _positional_fields(record: ast.ClassDef) -> int:
    """Number of fields that the constructor of a dataclass takes by position."""
    count = 0
    for part in record.body:
        if not isinstance(part, ast.AnnAssign):
            continue
        annotation = ast.unparse(part.annotation)
        if annotation.endswith("KW_ONLY"):
            break
        value = ast.unparse(part.value) if part.value else ""
        by_keyword = re.match(r"(dataclasses\.)?field\(.*\b(init=False|kw_only=True)", value)
        if "ClassVar" not in annotation and not by_keyword:
            count += 1
    return count


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
        isinstance(part, ast.Name) and part.id == "__all__" and isinstance(part.ctx, ast.Store)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for part in ast.walk(node)
    )


def _layout(tree: ast.Module, text: str) -> Iterator[tuple[int, str]]:
    """`# fmt: skip` belongs to tables (values of a module or a class) and to compiled kernels."""
    allowed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.Assign | ast.AnnAssign):
                    allowed |= _lines(part)
        if isinstance(node, ast.FunctionDef) and _is_kernel(node):
            allowed |= _lines(node)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and token.start[0] not in allowed:
            match = LAYOUT_OFF.match(token.string)
            if match is not None:
                yield token.start[0], f"fmt: {match[1]} is for tables and kernels"


def _lines(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def _is_kernel(function: ast.FunctionDef) -> bool:
    return any(COMPILED.search(ast.unparse(decorator)) for decorator in function.decorator_list)


if __name__ == "__main__":
    sys.exit(main())
