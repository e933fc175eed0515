"""The house stands as docs/architecture.md says."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
AREAS = ("models", "instances", "solvers", "shardopt")
MAY_IMPORT = {
    "models": {"models"},
    "instances": {"models", "instances"},
    "solvers": {"models", "solvers"},
    "shardopt": {"models", "instances", "solvers", "shardopt"},
}
SAME_IN_EVERY_PROBLEM = {
    "models": {"data", "evaluate", "check", "tables", "bounds", "formulations"},
    "instances": {"schema", "presets", "scenario"},
    "solvers": {"registry", "exact_models", "baselines"},
    "shardopt": {"show", "plots", "export", "explain"},
}
"""Modules and packages that each problem has in each area (docs/architecture.md)."""


def sources(area: str) -> list[Path]:
    return sorted((ROOT / area).rglob("*.py"))


def problems() -> list[str]:
    packages = (ROOT / "models").iterdir()
    return sorted(path.name for path in packages if (path / "__init__.py").is_file())


def package_name(folder: Path) -> str:
    parts = folder.relative_to(ROOT).parts
    return ".".join(parts if parts[0] == "shardopt" else ("shardopt", *parts))


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of everything that a file imports, ``.`` first if it is relative."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{name.name}" for name in node.names)


def area_of(module: str) -> str | None:
    """Return the area that a module of shardopt belongs to, ``None`` for any other module."""
    first, *rest = module.split(".")
    if first != "shardopt":
        return None
    return rest[0] if rest and rest[0] in AREAS else "shardopt"


def test_that_pyproject_lists_every_package_of_the_tree():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {
        package_name(path.parent) for area in AREAS for path in (ROOT / area).rglob("__init__.py")
    }
    assert set(pyproject["tool"]["setuptools"]["packages"]) == found


def test_that_every_folder_with_python_files_is_a_package():
    for area in AREAS:
        for path in sources(area):
            assert (path.parent / "__init__.py").is_file(), path


@pytest.mark.parametrize("area", AREAS)
def test_that_imports_run_one_way(area):
    for path in sources(area):
        for module in imported(path):
            assert area_of(module) in {None, *MAY_IMPORT[area]}, f"{path} imports {module}"


def test_that_everything_is_imported_by_its_one_full_name():
    folders = [ROOT / area for area in AREAS]
    for path in (p for folder in (*folders, ROOT / "tests") for p in folder.rglob("*.py")):
        for module in imported(path):
            short = module.split(".")[0] in {"models", "instances", "solvers"}
            relative = module.startswith(".")
            assert not short, f"{path} imports {module}"
            assert not relative, f"{path} imports {module}"


@pytest.mark.parametrize("area", AREAS)
def test_that_no_problem_imports_another(area):
    for problem in problems():
        others = set(problems()) - {problem}
        for path in (ROOT / area / problem).rglob("*.py"):
            for module in imported(path):
                assert not others & set(module.split(".")), f"{path} imports {module}"


@pytest.mark.parametrize("area", AREAS)
def test_that_code_shared_by_all_problems_names_none(area):
    for path in sources(area):
        if set(path.relative_to(ROOT).parts) & set(problems()):
            continue
        for module in imported(path):
            assert not set(problems()) & set(module.split(".")), f"{path} imports {module}"


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("problem", problems())
def test_that_every_problem_has_the_same_file_names(problem, area):
    package = ROOT / area / problem
    found = {path.stem for path in package.iterdir() if path.name != "__pycache__"}
    assert SAME_IN_EVERY_PROBLEM[area] <= found


def test_that_what_shared_code_looks_up_is_among_the_same_file_names():
    call = re.compile(r'\bpart\([^()]+, "(\w*)", "(\w+)"\)')
    looked_up = {
        (area or "shardopt", module)
        for folder in AREAS
        for path in sources(folder)
        for area, module in call.findall(path.read_text(encoding="utf-8"))
    }
    promised = {(area, name) for area, names in SAME_IN_EVERY_PROBLEM.items() for name in names}
    assert looked_up
    assert looked_up <= promised


def texts() -> Iterator[Path]:
    """Yield every file that is part of the project and not made by its tools."""
    made = {"build", "dist", "__pycache__"}
    kinds = {".py", ".toml", ".md", ".json", ".ipynb", ".lock", ".yml", ".svg", ""}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") and parts[0] not in {".ci", ".gitignore"}
        if hidden or made & set(parts) or any(part.endswith(".egg-info") for part in parts):
            continue
        if path.is_file() and path.suffix in kinds:
            yield path


def test_that_no_file_names_a_path_of_somebodys_machine():
    place = re.compile("/(?:" + "|".join(["work", "root", "home/[a-z]", "Users", "mnt"]) + ")/")
    for path in texts():
        match = place.search(path.read_text(encoding="utf-8"))
        assert match is None, f"{path}: {match.group() if match else ''}"


def test_that_the_lock_names_packages_and_no_place_to_get_them_from():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert not re.search(r"^\s*-", lock, flags=re.MULTILINE)
