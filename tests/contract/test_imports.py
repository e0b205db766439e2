"""The directions of the imports, and what may be imported without torch."""

import ast
import configparser
import graphlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from neurosim.experiments import cli

ROOT = Path(__file__).resolve().parents[2]
#: Folder -> the packages of this project it may import from.
ALLOWED = {
    "neurosim": {"neurosim"},
    "models": {"neurosim", "neurosim.models"},
    "rsa": {"neurosim.rsa"},
    "experiments": {"neurosim", "neurosim.models", "neurosim.rsa", "neurosim.experiments"},
}
SUBPACKAGES = ("neurosim.models", "neurosim.rsa", "neurosim.experiments")
SHORT_NAMES = {"models", "rsa", "experiments"}
FILES = [path for folder in ALLOWED for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at any depth, written in full."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively: write the full name"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package_of(module: str) -> str | None:
    """The package of this project a module belongs to, or None."""
    if module.split(".")[0] != "neurosim":
        return None
    return next((p for p in SUBPACKAGES if module == p or module.startswith(p + ".")), "neurosim")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    folder = path.relative_to(ROOT).parts[0]
    modules = imported(path)
    packages = {package_of(module) for module in modules} - {None}
    if folder == "rsa":
        # "import neurosim.rsa" makes "neurosim" itself appear; rsa may use nothing of it.
        packages.discard("neurosim") if modules & {"neurosim.rsa"} else None
    assert packages <= ALLOWED[folder], f"{path} imports {packages - ALLOWED[folder]}"


@pytest.mark.parametrize("path", [*FILES, *sorted((ROOT / "tests").rglob("*.py"))],
                         ids=lambda p: str(p.relative_to(ROOT)))  # fmt: skip
def test_short_names_are_never_imported(path):
    tops = {module.split(".")[0] for module in imported(path)}
    assert not tops & SHORT_NAMES, f"{path}: write neurosim.models, neurosim.rsa, ..."
    assert "torchvision" not in tops


PARENTS = [*(ROOT / folder for folder in ALLOWED), ROOT / "neurosim" / "spiking"]
FOLDERS = sorted({path.parent for path in FILES} - set(PARENTS))


def module_of(path: Path) -> str:
    """The package that a folder of the checkout is installed as."""
    name = ".".join(path.relative_to(ROOT).parts)
    return name if name.startswith("neurosim") else f"neurosim.{name}"


def neighbours(folder: Path) -> set[str]:
    """The folders beside this one that its modules import."""
    parent = module_of(folder.parent) + "."
    modules = set().union(*(imported(path) for path in folder.glob("*.py")))
    beside = {m.removeprefix(parent).split(".")[0] for m in modules if m.startswith(parent)}
    return {name for name in beside if (folder.parent / name).is_dir()} - {folder.name}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_folder_imports_what_it_says(folder):
    """Its ``__init__`` says what lives there and names the neighbours that it may import."""
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    stated = said.replace("\n", " ").partition("May import, of its neighbours: ")[2].rstrip(".")
    assert stated, f"{folder}: write what it may import"
    assert neighbours(folder) == set(stated.split(", ")) - {"none"}


@pytest.mark.parametrize("parent", PARENTS, ids=lambda p: p.name)
def test_arrows_run_one_way(parent):
    """Between the folders of a package, and these and the modules that stand beside them."""
    folders = {path.parent for path in FILES if path.parent.parent == parent}
    within = {folder.name: set(folder.rglob("*.py")) for folder in folders}
    within |= {path.stem: {path} for path in parent.glob("*.py") if path.stem != "__init__"}
    inside = module_of(parent) + "."
    graph = {}
    for name, paths in within.items():
        modules = set().union(*(imported(path) for path in paths))
        beside = {m.removeprefix(inside).split(".")[0] for m in modules if m.startswith(inside)}
        graph[name] = (beside & set(within)) - {name}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises where there is a cycle


def own_imports_within_functions(path: Path) -> list[set[str]]:
    """What each import inside of a function names: its module, and what is taken from it."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = [f.body if isinstance(f.body, list) else [] for f in ast.walk(tree)
              if isinstance(f, functions)]  # fmt: skip
    nodes = [node for body in inside for each in body for node in ast.walk(each)]
    return [names for node in nodes if any(map(package_of, names := named(node)))]


def named(node: ast.AST) -> set[str]:
    """The modules that an import names, and what it takes from them; nothing of another node."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return set()


#: Command lines are to answer --help before anything heavy is imported: they alone are lazy.
COMMANDS = {ROOT / "experiments" / f"{c.module.split('.')[-1]}.py" for c in cli.COMMANDS.values()}


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if p.is_relative_to(ROOT / "experiments") and p not in COMMANDS],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_imports_of_the_project_stand_at_the_top(path):
    """What a module depends on is seen in its first lines; a cycle would show there."""
    assert own_imports_within_functions(path) == []


#: What takes long to import, and what a list of names can do without.
HEAVY = frozenset({"torch", "numba", "h5py", "matplotlib", "pandas", "scipy", "snntorch", "norse"})


def name_of(path: Path) -> str:
    """What a file is imported as."""
    return module_of(path.parent if path.name == "__init__.py" else path.with_suffix(""))


PATHS = {name_of(path): path for path in FILES}


def at_the_top(path: Path) -> set[str]:
    """What importing a file imports."""
    return set().union(*map(named, ast.parse(path.read_text(encoding="utf-8")).body))


@cache
def loads(module: str) -> frozenset[str]:
    """What is heavy of all that a module of ours imports, however far down."""
    seen, left, found = set(), {module}, set()
    while left:
        now = left.pop()
        seen.add(now)
        names = at_the_top(PATHS[now])
        found |= {name.split(".")[0] for name in names} & HEAVY
        left |= {name for name in names if name in PATHS} - seen
    return frozenset(found)


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if not p.is_relative_to(ROOT / "experiments") and p.name != "__main__.py"],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_a_function_imports_only_what_spares_its_module_something_heavy(path):
    """Names are listed by ``--help`` before torch and numba are there; nothing else is a reason."""
    for names in own_imports_within_functions(path):
        loaded = frozenset().union(*(loads(name) for name in names if name in PATHS))
        spared = loaded - loads(name_of(path))
        assert spared, f"{sorted(names)} loads nothing heavy that is not there: import it on top"


def test_commands_are_files_of_experiments_and_some_are_lazy():
    """Else the test above would look at nothing, or pass over what is no command."""
    files = COMMANDS - {ROOT / "experiments" / "__main__.py"}  # rsa's own
    assert all(path.is_file() for path in files)
    assert any(own_imports_within_functions(path) for path in files)


def test_processes_are_started_in_one_place():
    """Locks, threads, Ctrl-C, lost workers and orphans are thought of there, and nowhere else."""
    starting = ("multiprocessing", "concurrent.futures", "subprocess")
    found = {
        str(path.relative_to(ROOT))
        for path in FILES
        if path.is_relative_to(ROOT / "experiments")
        and any(module.startswith(starting) for module in imported(path))
    }
    assert found == {"experiments/engine/execute.py", "experiments/system/processes.py"}


def test_folders_are_small_and_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    installed = set(config["options"]["packages"].split())
    assert installed == {module_of(path.parent) for path in FILES}
    n_modules = {folder: len(list(folder.glob("*.py"))) for folder in {p.parent for p in FILES}}
    assert not {str(folder): n for folder, n in n_modules.items() if n > 15}


def loaded_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after a statement."""
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_rsa_needs_no_torch():
    assert not {"torch", "snntorch", "norse"} & loaded_after(
        "import neurosim.rsa; neurosim.rsa.compute_rdm; neurosim.rsa.BrainRDMs"
    )


def test_the_command_line_is_light():
    heavy = {"torch", "snntorch", "norse", "numba", "pandas", "matplotlib", "numpy"}
    assert not heavy & loaded_after(
        "from neurosim.experiments.training_dynamics import parser; parser().format_help()"
    )


def test_public_names_of_the_core_are_handed_on():
    import neurosim

    assert {"LearningRule", "run_batch", "Heun"} <= set(neurosim.__all__)
    for name in neurosim.__all__:
        assert getattr(neurosim, name).__module__.startswith("neurosim.") or name == "State"
    with pytest.raises(AttributeError, match="no attribute 'Huen'"):
        _ = neurosim.Huen


def test_importable_from_the_checkout_root_without_an_editable_install(tmp_path):
    """``-S`` hides site-packages and with it the editable install's finder."""
    code = "import neurosim, neurosim.rsa, neurosim.models, neurosim.experiments"
    subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, check=True)
