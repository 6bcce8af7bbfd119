"""Measure the service over loopback: throughput, latency, memory, and its answers under overload.

python examples/serve/load.py faces.onnx one.jpg other.jpg
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
Connection = http.client.HTTPConnection
Measured = tuple[Counter[int], list[float]]
BOUNDARY = "a-boundary-between-the-parts"


def multipart(**files: bytes) -> bytes:
    """Encode files as the body of a form."""
    head = b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="image"\r\n\r\n%s\r\n'
    parts = [head % (BOUNDARY.encode(), name.encode(), files[name]) for name in files]
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def post(connection: Connection, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
    """Send a form to /verify, and read the answer."""
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request("POST", "/verify", body, kind)
    response = connection.getresponse()
    return response, response.read()


@contextlib.contextmanager
def served(model: str, **environment: str) -> Iterator[tuple[int, int]]:
    """Run the service in a process, and yield its port and its number."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(FOLDER), "--port", str(port)]
    command += ["--factory", "serving:from_environment", "--log-level", "warning"]
    process = subprocess.Popen(command, env={**os.environ, **environment, "MODEL": model})
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def measure(port: int, body: bytes, clients: int, seconds: float) -> Measured:
    """Let clients send one request after another. Count the answers, and time the decisions."""
    statuses: Counter[int] = Counter()
    times: list[float] = []
    end = time.perf_counter() + seconds

    def run() -> None:
        with contextlib.closing(Connection("127.0.0.1", port)) as connection:
            while (start := time.perf_counter()) < end:
                try:
                    response, _ = post(connection, body)
                except (OSError, http.client.HTTPException):
                    connection.close()  # The next request opens it again.
                    statuses[0] += 1
                    continue
                statuses[response.status] += 1
                if response.status == 200:
                    times.append(time.perf_counter() - start)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, sorted(times)


def peak_megabytes(pid: int) -> int:
    """Read the largest memory that a process has used (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "left", "right"):
        parser.add_argument(name)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 128])
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    body = multipart(left=Path(options.left).read_bytes(), right=Path(options.right).read_bytes())
    print("| clients | decisions a second | p50, ms | p99, ms | answers by status | peak MB |")
    print("|---|---|---|---|---|---|")
    with served(options.model) as (port, pid):
        for clients in options.clients:
            statuses, times = measure(port, body, clients, options.seconds)
            p50, p99 = (f"{1000 * times[int(q * (len(times) - 1))]:.0f}" for q in (0.5, 0.99))
            found = ", ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items()))
            row = (clients, f"{len(times) / options.seconds:.0f}", p50, p99, found)
            print("|", *(f"{cell} |" for cell in (*row, peak_megabytes(pid))))


if __name__ == "__main__":
    main()
