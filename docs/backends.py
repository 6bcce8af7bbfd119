"""Make the table of backends from test results: `python docs/backends.py REPORT...`.

A report is JUnit XML, named after its backend, such as `build/backends/fast/jax.xml`. Reports are
written by `nox -s jax torch`, and by `pytest --junitxml=build/backends/fast/tensorflow.xml`. A
backend may have several. The columns of these backends are written into `backends.md`. With
`--check`, they are compared with it instead.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

PAGE = Path(__file__).with_name("backends.md")
BACKENDS = ("tensorflow", "jax", "torch")
HEADING = "| capability | TensorFlow | JAX | torch |\n|---|---|---|---|\n"
CANNOT = "test_backends::test_an_export_that_the_backend_cannot_write_says_what_to_use"
Results = dict[str, bool]


class Capability(NamedTuple):
    """Capability of a backend, and the tests that show it, or that the error says what to use."""

    name: str
    works: tuple[str, ...] = ()
    """Starts of test names. Each must have passed, and none failed."""
    cannot: tuple[str, ...] = ()
    instead: str = ""


def exported(name: str, file: str) -> Capability:
    return Capability(
        name,
        (f"verification.test_export::test_an_exported_tower_embeds_as_the_model[{file}]",),
        (f"{CANNOT}[{file}]",),
        "export with TensorFlow",
    )


CAPABILITIES = (
    Capability(
        "train, and train on from the file of another backend",
        (
            "layers.test_residual::test_every_weight_of_a_block_learns",
            "test_backends::test_a_model_trains_on_as_on_the_backend_that_wrote_it",
        ),
    ),
    Capability("metrics and losses", ("training.test_every_loss_and_metric::",)),
    Capability(
        "save, load and score across backends",
        (
            "test_backends::test_a_verifier_scores_as_on_the_backend_that_wrote_it",
            "test_backends::test_a_file_describes_its_model_alike_on_every_backend",
        ),
    ),
    Capability("verify", ("verification.test_verifier::",)),
    Capability(
        "gallery",
        (
            "verification.test_identifier::",
            "test_backends::test_a_gallery_is_searched_as_on_the_backend_that_wrote_it",
        ),
    ),
    Capability("threads", ("verification.test_verifier_threads::",)),
    Capability("mixed precision", ("training.test_every_precision::",)),
    Capability("several devices", ("training.test_devices::",)),
    Capability("several processes", ("training.test_process_group.TestTwoProcesses::",)),
    exported("ONNX", "faces.onnx"),
    exported("LiteRT", "faces.tflite"),
    exported("SavedModel", "faces"),
)
# Torch has its own exporter of ONNX, and a test of its own.
OWN = {("ONNX", "torch"): ("test_backends::test_torch_exports_onnx_that_scores_as_the_model",)}


def read_report(path: Path) -> Results:
    """Read which tests passed and which failed. Skipped tests are left out."""
    results = {}
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("skipped") is None:
            name = f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name')}"
            results[name] = case.find("failure") is None and case.find("error") is None
    return results


def passed(results: Results, starts: tuple[str, ...]) -> bool:
    """Tell whether tests of each start ran, and all passed."""
    found = [[ok for name, ok in results.items() if name.startswith(start)] for start in starts]
    return bool(starts) and all(found) and all(map(all, found))


def cell(capability: Capability, backend: str, results: Results) -> str:
    if passed(results, OWN.get((capability.name, backend), capability.works)):
        return "works"
    if passed(results, capability.cannot):
        return f"not on this backend: {capability.instead}"
    return "not tested"


def table(page: str, reports: dict[str, Results]) -> str:
    """Make the table. Columns without a report stay as they are on the page."""
    old = {
        cells[0]: dict(zip(BACKENDS, cells[1:], strict=True))
        for cells in (line.strip("| ").split(" | ") for line in page.splitlines())
        if len(cells) == 1 + len(BACKENDS)
    }
    rows = []
    for capability in CAPABILITIES:
        kept = old.get(capability.name, {})
        cells = [
            cell(capability, backend, reports[backend])
            if backend in reports
            else kept.get(backend, "not tested")
            for backend in BACKENDS
        ]
        rows.append(f"| {' | '.join([capability.name, *cells])} |\n")
    return HEADING + "".join(rows)


def main(arguments: list[str]) -> int:
    paths = [Path(argument) for argument in arguments if argument != "--check"]
    reports: dict[str, Results] = {}
    for path in paths:
        reports.setdefault(path.stem, {}).update(read_report(path))
    page = PAGE.read_text(encoding="utf-8")
    new = re.sub(re.escape(HEADING) + r"(\|.*\n)*", lambda _: table(page, reports), page, count=1)
    if "--check" in arguments:
        if new != page:
            print(f"{PAGE} differs from the test results. They give:\n{table(page, reports)}")
        return int(new != page)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
