import subprocess
import sys
from pathlib import Path

import experiments
import pytest

FOLDER = Path(experiments.__file__).parent


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 0, "python examples/lfw/experiments run"),
        (["--help"], 0, "python examples/lfw/experiments run"),
        (["train"], 2, "python examples/lfw/experiments run"),
        (["figures", "--help"], 0, "RUN"),
    ],
)
def test_the_folder_is_a_command(arguments: list[str], code: int, said: str) -> None:
    command = [sys.executable, str(FOLDER), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stdout
