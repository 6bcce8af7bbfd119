"""Check that an export decides in this environment, which must lack TensorFlow, Keras and more."""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import siamese_verify as sv

FILES = Path("tests/old_files")
IMAGES = [str(FILES / name) for name in ("runtime-1.jpg", "runtime-2.png")]
EXPECTED = json.loads((FILES / "runtime.json").read_text())
TOLERANCE = 1e-4

for package in ("tensorflow", "keras", "jax", "torch"):
    assert importlib.util.find_spec(package) is None, f"{package} is installed"


def check(decision: dict) -> None:
    """Compare a decision with the recorded decision."""
    for name, expected in EXPECTED.items():
        found = decision[name]
        close = name in ("score", "probability") and abs(found - expected) <= TOLERANCE
        assert close or found == expected, f"{name}: {found}, not {expected}"


check(
    json.loads(json.dumps(sv.OnnxVerifier.load(FILES / "runtime.onnx").verify(*IMAGES).to_dict()))
)
command = [
    sys.executable,
    "-m",
    "siamese_verify.cli",
    "verify",
    str(FILES / "runtime.onnx"),
    *IMAGES,
]
start = time.perf_counter()
said = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
assert said.returncode == (0 if EXPECTED["same"] else 1), said.stderr
check(json.loads(said.stdout))
print(f"siamese-verify verify: {time.perf_counter() - start:.2f} s")
help_ = subprocess.run([*command[:3], "--help"], capture_output=True, text=True, check=True).stdout
assert "verify" in help_
