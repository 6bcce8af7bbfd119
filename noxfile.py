"""Tasks that a contributor and `.ci/run` share: `nox -l` lists them, `nox -s lint` runs one.

Most tasks run in the environment that `pip install -e ".[dev]"` has made. The tasks `docs`,
`lowest`, `newest` and `runtime` install what they need in an environment of their own.
"""

import csv
import json
import sys
import tempfile
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
# The tests that need neither an extra nor the examples.
CORE_TESTS = [
    *("tests/data", "tests/evaluation", "tests/layers", "tests/training", "tests/verification"),
    *(f"tests/test_{name}.py" for name in ("batch_sizes", "model", "old_files", "scoring")),
]
# The tests on whose code the backend has an influence.
OTHER_BACKENDS = [
    *("tests/layers", "tests/training", "tests/verification", "tests/test_model.py"),
    *(f"tests/test_{name}.py" for name in ("backends", "batch_sizes", "scoring")),
]
# Among them, tests of files, states, indexes, decoding, fetching and texts, the same on each.
SAME_ON_EVERY_BACKEND = [
    f"tests/verification/{name}"
    for name in (
        *("indexes", "test_archive.py", "test_bound_calibration.py", "test_card.py"),
        *("test_decision.py", "test_embedded_images.py", "test_embedding_actors.py"),
        *("test_embedding_job.py", "test_enrolled_images.py", "test_sharded_enroller.py"),
        *("test_enroller.py", "test_export.py", "test_file.py", "test_gallery.py"),
        *("test_gallery_index.py", "test_identification.py", "test_image_measures.py"),
        *("test_looks.py", "test_model_parts.py", "test_one_answer.py", "test_seen.py"),
        *("test_suspects.py", "test_verifier_state.py", "test_weights.py"),
    )
] + ["tests/layers/test_pretrained.py", "tests/training/resuming"]
# Tests of sizes, counts and long lists, which take long to compile.
FEWER = " and ".join(
    f"not {name}"
    for name in (
        *("mixed_float16", "million", "many_pairs", "beyond_capacity", "residual_"),
        *("channels_are_last", "mixed_blocks", "without_weights"),
    )
)
# Tests of the bytes of files, and of files and indexes that need extras. No release changes them.
SAME_ON_EVERY_RELEASE = [
    *("tests/verification/test_archive.py", "tests/verification/indexes"),
    *(f"tests/verification/test_embedding_{name}.py" for name in ("actors", "job")),
    "tests/verification/test_sharded_enroller.py",
    "tests/training/resuming/test_run_folder.py",
]
AGAIN = ("--hypothesis-profile", "again")
# JAX compiles a program for each shape. Tests run it once or twice, which no optimization repays.
QUICKLY = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
# Reports of which `docs/backends.py` makes its table.
REPORTS = Path("build/backends")
LFW = Path("../shared/lfw").resolve()

nox.options.sessions = ["lint", "tests"]


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run all tests or some of them: `nox -s tests -- tests/layers -n 0`."""
    session.run("pytest", *session.posargs)


@nox.session(venv_backend="none")
def slow(session: nox.Session) -> None:
    """Run the tests that take minutes, except for the trainings that `drawn` and `lfw` repeat."""
    repeated = "not default_command and not full_network"
    report = f"--junitxml={REPORTS / 'slow' / 'tensorflow'}.xml"
    session.run("pytest", "-m", "slow", "-k", repeated, report, *session.posargs)


@nox.session(venv_backend="none")
def jax(session: nox.Session) -> None:
    """Run the tests of models, losses, metrics and the verifier on Keras's JAX backend."""
    test_on(session, "jax")


@nox.session(venv_backend="none")
def torch(session: nox.Session) -> None:
    """Run the same tests on Keras's torch backend."""
    test_on(session, "torch")


def test_on(session: nox.Session, backend: str) -> None:
    """Run the tests on which the backend has an influence, and slow ones of other processes."""
    environment = {"KERAS_BACKEND": backend}
    ignored = [f"--ignore={path}" for path in SAME_ON_EVERY_BACKEND]
    reports = [f"{REPORTS / kind / backend}.xml" for kind in ("fast", "slow")]
    chosen = *OTHER_BACKENDS, *ignored, "-k", FEWER, f"--junitxml={reports[0]}"
    session.run("pytest", *AGAIN, *chosen, *session.posargs, env={**environment, **QUICKLY})
    processes = ("resuming/test_resumable", "test_devices", "test_process_group")
    processes = [f"tests/training/{name}.py" for name in processes]
    names = "(killed and not written) or devices or TwoProcesses"
    chosen = *processes, "-k", names, f"--junitxml={reports[1]}"
    session.run("pytest", "-m", "slow", *chosen, env=environment)


@nox.session
def without_tensorflow(session: nox.Session) -> None:
    """Import each module, train, decide and measure where TensorFlow is not installed."""
    needed = [name for name in PROJECT["dependencies"] if not name.startswith("tensorflow")]
    extras = PROJECT["optional-dependencies"]
    session.install("--no-deps", "-e", ".")
    session.install(*needed, *extras["test"], "jax[cpu]")
    tests = "tests/test_lazy_tensorflow.py", "tests/layers/heads", "tests/training/losses"
    session.run("pytest", *AGAIN, *tests, env={"KERAS_BACKEND": "jax", **QUICKLY})
    session.run("python", "benchmarks/gpu.py", "--small", env={"KERAS_BACKEND": "jax"})


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check style, types, the import contracts, the prose and the changelog's fragments."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("python", "docs/packages.py", "--check")
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)
    session.notify("prose")


@nox.session(venv_backend="none")
def prose(session: nox.Session) -> None:
    """Check spelling and sentences of pages, docstrings, comments and error texts."""
    session.run("codespell")
    session.run("proselint", "check", "--config", ".ci/proselint.json", *pages())
    session.run("python", ".ci/prose.py", *session.posargs)


def pages() -> list[str]:
    """List the Markdown pages that users and contributors read."""
    return [str(path) for path in (*Path().glob("*.md"), *Path("docs").rglob("*.md"))]


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site and check it, or show it with `nox -s docs -- serve`."""
    session.install(*PROJECT["optional-dependencies"]["docs"])
    if "serve" in session.posargs:
        session.run("mkdocs", "serve")
        return
    site = session.create_tmp()
    session.run("mkdocs", "build", "--strict", "--site-dir", site)
    session.run("python", ".ci/rendered.py", site)


@nox.session(venv_backend="none")
def drawn(session: nox.Session) -> None:
    """Train on drawn faces, as the README says, and check the accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        train(session, folder, "drawn")
        figures = json.loads((Path(folder) / "drawn/figures.json").read_text())["best"]
    if figures["accuracy_at_threshold"] < 0.94:
        session.error(f"Accuracy is below the README's 0.96 to 0.98: {figures}")


@nox.session(venv_backend="none")
def lfw(session: nox.Session) -> None:
    """Train the full network and a recipe for two epochs on LFW, if `../shared/lfw` holds it."""
    if not LFW.is_dir():
        session.skip(f"no images in {LFW}")
    short = ("--data", str(LFW), "--epochs", "2", "--limit")
    with tempfile.TemporaryDirectory() as folder:
        train(session, folder, "full", *short, "256")
        with (Path(folder) / "full/history.csv").open() as file:
            first, second = (float(row["loss"]) for row in csv.DictReader(file))
        if not second < first:
            session.error(f"The loss does not fall: {first}, then {second}")
        train(session, folder, "names", *short, "512", "--recipe", "unrestricted")
        session.log((Path(folder) / "names/verifier.md").read_text())


def train(session: nox.Session, folder: str, run: str, *flags: str) -> None:
    """Run the training example in a folder and show the end of its log."""
    script, log = Path("examples/lfw/train.py").resolve(), Path(folder) / f"{run}.log"
    with session.chdir(folder), log.open("w") as out:
        try:
            session.run("python", str(script), "--run", run, *flags, stdout=out, stderr=out)
        finally:
            session.log("\n".join(["", *log.read_text().splitlines()[-20:]]))


@nox.session
def lowest(session: nox.Session) -> None:
    """Import and test on the lowest release of each runtime dependency, without the extras."""
    lower_bounds = [f"{name.replace('>=', '==')}.*" for name in PROJECT["dependencies"]]
    session.install("-e", ".", *lower_bounds)
    session.run("python", "-c", BARE_IMPORT)
    test_bare(session, *lower_bounds)


BARE_IMPORT = """
import importlib.util, siamese_verify as sv
assert importlib.util.find_spec("matplotlib") is None
sv.SiameseModel(sv.ConvTower.koch2015(), sv.WeightedL1Head())
"""


@nox.session
def runtime(session: nox.Session) -> None:
    """Decide with an export, and serve it, where TensorFlow and Keras are not installed."""
    extras = PROJECT["optional-dependencies"]
    needed = [name for name in PROJECT["dependencies"] if name.startswith(("numpy", "typing"))]
    serving = [name for name in extras["serve"] if not name.startswith("siamese-verify")]
    session.install("--no-deps", ".")
    session.install(*needed, *extras["runtime"], *serving)
    session.run("python", ".ci/without_tensorflow.py")


@nox.session
def newest(session: nox.Session) -> None:
    """Test on the newest Keras and TensorFlow, unless the environment around nox holds them."""
    newer = ["pip", "install", "--dry-run", "--quiet", "--no-deps", "--upgrade", "--report", "-"]
    command = [sys.executable, "-m", *newer, "keras", "tensorflow"]
    report = session.run(*command, external=True, silent=True, stderr=None)
    held_back = [found["metadata"]["name"] for found in json.loads(report)["install"]]
    if not held_back:
        session.log("The environment around nox holds the newest Keras and TensorFlow.")
        return
    session.log(f"An extra holds back {held_back}.")
    session.install("-e", ".")
    session.install("--upgrade", "keras", "tensorflow")
    test_bare(session)


def test_bare(session: nox.Session, *requirements: str) -> None:
    """Run the core tests where only the runtime dependencies and the test tools are installed."""
    session.install("-e", ".[plot,test]", *requirements)
    # Exports need extras, and newer versions of Keras for LiteRT.
    ignored = [*SAME_ON_EVERY_RELEASE, "tests/verification/test_export.py"]
    ignored = [f"--ignore={path}" for path in ignored]
    session.run("pytest", "-W", "default", *AGAIN, *ignored, *CORE_TESTS)
    session.run("pytest", "-W", "default", "-m", "slow", "tests/training/metrics")
