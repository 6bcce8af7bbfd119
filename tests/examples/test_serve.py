"""Tests of the example that serves an exported verifier, over loopback."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import uvicorn
from encoded_images import NOISE, SMOOTH, encode
from limits import Limits
from load import BOUNDARY, measure, multipart, post, served
from serving import make_app

import siamese_verify as sv
from siamese_verify.verification import onnx_record

ONE, OTHER = encode(SMOOTH, "PNG"), encode(NOISE, "PNG")
BODY = multipart(left=ONE, right=OTHER)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export as small as can be: a score is the negative mean difference of pixels."""
    make, shape = onnx.helper, ["n", 8, 8, 1]
    kind = onnx.TensorProto.FLOAT
    nodes = [
        make.make_node("Sub", ["left", "right"], ["difference"]),
        make.make_node("Abs", ["difference"], ["distance"]),
        make.make_node("ReduceMean", ["distance"], ["mean"], axes=[1, 2], keepdims=0),
        make.make_node("Neg", ["mean"], ["score"]),
        *(
            make.make_node("ReduceMean", [x], [f"{x} out"], axes=[1, 2], keepdims=0)
            for x in ("left", "right")
        ),
    ]
    inputs = [make.make_tensor_value_info(name, kind, shape) for name in ("left", "right")]
    names = ("score", "left out", "right out")
    outputs = [make.make_tensor_value_info(name, kind, ["n", 1]) for name in names]
    graph = make.make_graph(nodes, "pair", inputs, outputs)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    path = tmp_path_factory.mktemp("export") / "faces.onnx"
    onnx.save(model, path)
    onnx_record.attach(path, RECORD)
    return path


RECORD = {
    **{"format": 2, "part": "pair", "version": "0.1.0", "head": "CosineHead"},
    **{"preprocessing": sv.Preprocessing((8, 8)).to_dict(), "fingerprint": 64 * "a"},
    **{"policy": "eer", "prior": 0.5, "threshold": -0.1, "n_same": 100, "n_different": 100},
    **{"far": [0.1, 0.05, 0.2], "frr": [0.1, 0.05, 0.2], "slope": 9.0, "intercept": 1.0},
    **{"on_logit": False, "review": None, "decoding": 2, "looks": None},
}


class Slow:
    """A verifier that needs a while, and that remembers how many requests it has at a time."""

    threshold, fingerprint, preprocessing = 0.5, 64 * "b", sv.Preprocessing((8, 8))

    def __init__(self, seconds: float):
        self.seconds, self.calls = seconds, 0

    def verify(self, *_: object) -> object:
        self.calls += 1
        time.sleep(self.seconds)
        return SimpleNamespace(to_dict=lambda: {"same": True})


@contextlib.contextmanager
def running(verifier: object, **limits: float) -> Iterator[int]:
    """Serve a verifier in a thread, and yield the port."""
    config = uvicorn.Config(make_app(verifier, Limits(**limits)), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def send(port: int, body: bytes) -> tuple[int, dict, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        response, answer = post(connection, body)
        return response.status, json.loads(answer), dict(response.getheaders())


def get(port: int, path: str) -> str:
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    ) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()


def test_the_service_decides_as_the_verifier(exported: Path):
    verifier = sv.OnnxVerifier.load(exported)
    expected = verifier.verify(ONE, OTHER)
    with running(verifier) as port:
        status, answer, _ = send(port, BODY)
        assert (status, answer) == (200, json.loads(json.dumps(expected.to_dict())))
        assert send(port, multipart(left=ONE, right=ONE))[1]["same"]
        assert json.loads(get(port, "/health")) == {
            "fingerprint": verifier.fingerprint,
            "threshold": verifier.threshold,
        }
        metrics = get(port, "/metrics").splitlines()
    assert 'verify_requests_total{status="200"} 2' in metrics
    assert 'verify_decisions_total{decision="same"} 1' in metrics
    assert 'verify_seconds_bucket{le="+Inf"} 2' in metrics
    assert "verify_in_flight 0" in metrics


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (multipart(left=ONE, right=b"text"), 422, "right cannot be read as an image"),
        (multipart(left=ONE), 422, "needs the files left and right"),
        (multipart(left=ONE, right=OTHER, more=OTHER), 400, "Too many files"),
        (b"no form", 400, ""),
        (multipart(left=ONE, right=bytes(30_000)), 413, "where 20,000 are read"),
        (multipart(left=ONE, right=encode(np.zeros((90, 90), np.uint8), "PNG")), 422, "over-large"),
    ],
    ids=["damaged", "one", "three", "no form", "bytes", "pixels"],
)
def test_a_request_that_cannot_be_answered_says_why(
    body: bytes, status: int, message: str, exported: Path
):
    with running(sv.OnnxVerifier.load(exported), n_bytes=20_000, pixels=8_000) as port:
        found, answer, _ = send(port, body)
        assert found == status
        assert message in answer["detail"]
        assert send(port, BODY)[0] == 200


def test_a_request_without_a_length_is_refused(exported: Path):
    with running(sv.OnnxVerifier.load(exported)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        connection.request("POST", "/verify", iter([BODY]), kind, encode_chunked=True)
        assert connection.getresponse().status == 411
        connection.close()


def test_a_request_that_arrives_too_slowly_is_ended(exported: Path):
    with running(sv.OnnxVerifier.load(exported), seconds=0.3) as port:
        with socket.create_connection(("127.0.0.1", port), 10) as slow:
            head = f"POST /verify HTTP/1.1\r\nHost: a\r\nContent-Length: {len(BODY)}\r\n"
            kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
            slow.sendall(f"{head}{kind}".encode() + BODY[:100])
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        assert send(port, BODY)[0] == 200


def test_16_clients_all_get_decisions(exported: Path):
    with running(sv.OnnxVerifier.load(exported)) as port:
        statuses, times = measure(port, BODY, clients=16, seconds=0.5)
    assert statuses.keys() == {200}
    assert len(times) >= 16


def test_under_overload_it_answers_503_and_when_to_try_again():
    slow = Slow(0.1)
    with running(slow, waiting=4, threads=2) as port:
        statuses, _ = measure(port, BODY, clients=16, seconds=0.5)
        assert statuses.keys() == {200, 503}
        assert slow.calls == statuses[200]
        assert send(port, BODY)[0] == 200
    with running(slow, waiting=0) as port:
        status, _, headers = send(port, BODY)
        assert (status, headers["retry-after"]) == (503, "1")


def test_a_request_that_waits_too_long_is_ended():
    with running(Slow(0.5), seconds=0.1, threads=1) as port:
        status, _, headers = send(port, BODY)
        assert (status, headers["retry-after"]) == (503, "1")


def test_it_runs_as_a_process_with_limits_from_the_environment(exported: Path):
    with served(str(exported), LIMIT_N_BYTES="1000") as (port, _):
        assert send(port, BODY)[0] == 413
