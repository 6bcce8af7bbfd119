"""One contender in a process of its own, which runs given tasks and reports their times.

`run.py` starts it. A contender has the functions `loss`, `step`, `epoch` and `verify`. `step` is
one training step, from pixels to updated weights. `epoch` is an epoch of all training pairs, and
`verify` computes scores from pixels.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from network import draw_weights, load_pairs


def main(module: str, arguments: str, scratch: str) -> None:
    settings = json.loads(arguments)
    answers, sys.stdout = sys.stdout, sys.stderr  # Answers go to stdout alone.
    contender = importlib.import_module(module).Contender(draw_weights(), **settings)
    train, test = (load_pairs(Path(scratch), name) for name in ("train", "test"))

    def answer(task: str, size: int) -> Any:
        if task == "loss":
            return contender.loss(*train.arrays(size))
        if task == "memory":
            for _ in range(3):
                contender.step(*train.arrays(size))
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GiB
        if task == "step":
            function, inputs = contender.step, train.arrays(size)
        elif task == "epoch":
            function, inputs = contender.epoch, (train,)
        else:
            function, inputs = contender.verify, (test.drawn(size) if size else test,)
        start = time.perf_counter()
        function(*inputs)
        return time.perf_counter() - start

    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
