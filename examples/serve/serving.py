"""Serve the decisions of an exported verifier: POST /verify, GET /health and GET /metrics.

MODEL=faces.onnx uvicorn --app-dir examples/serve --factory serving:from_environment
"""

from __future__ import annotations

import asyncio
import dataclasses
import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from limits import Limits
from service_metrics import Metrics
from starlette.datastructures import UploadFile

import siamese_verify as sv
from siamese_verify.data.decoding import ImageError

SIDES = ("left", "right")


def from_environment() -> FastAPI:
    """Serve the file that the variable MODEL names, within `Limits.from_environment`."""
    verifier = sv.OnnxVerifier.load(os.environ["MODEL"])
    return make_app(verifier, Limits.from_environment(os.environ))


def make_app(verifier: Any, limits: Limits) -> FastAPI:
    verifier.preprocessing = dataclasses.replace(verifier.preprocessing, max_pixels=limits.pixels)
    app, metrics = FastAPI(title="siamese-verify"), Metrics()
    threads = ThreadPoolExecutor(limits.threads)

    async def decide(request: Request) -> dict[str, Any]:
        check_length(request, limits.n_bytes)
        if metrics.in_flight > limits.waiting:
            overloaded()
        try:
            async with asyncio.timeout(limits.seconds):
                images = await read_images(request)
        except TimeoutError:
            raise HTTPException(408, f"More than {limits.seconds} s to arrive.") from None
        work = asyncio.get_running_loop().run_in_executor(threads, verifier.verify, *images)
        try:
            async with asyncio.timeout(limits.seconds):
                decision = await work
        except TimeoutError:
            overloaded()
        except ImageError as error:
            raise HTTPException(422, str(error)) from error
        metrics.decisions["same" if decision else "different"] += 1
        return decision.to_dict()

    @app.post("/verify")
    async def verify(request: Request) -> dict[str, Any]:
        start, status = time.perf_counter(), 500
        metrics.in_flight += 1
        try:
            answer, status = await decide(request), 200
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            metrics.in_flight -= 1
            metrics.add(status, time.perf_counter() - start)
        return answer

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"fingerprint": verifier.fingerprint, "threshold": verifier.threshold}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def show_metrics() -> str:
        return metrics.text()

    return app


def overloaded() -> NoReturn:
    raise HTTPException(503, "Too many requests at a time.", {"Retry-After": "1"})


def check_length(request: Request, most: int) -> None:
    """Raise an error for a large request, of which the server reads as much as its header says."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise HTTPException(411, "A request needs the header Content-Length.")
    if int(length) > most:
        raise HTTPException(413, f"A request of {int(length):,} bytes, where {most:,} are read.")


async def read_images(request: Request) -> list[io.BytesIO]:
    images = []
    async with request.form(max_files=len(SIDES), max_fields=0) as form:
        for side in SIDES:
            if not isinstance(part := form.get(side), UploadFile):
                raise HTTPException(422, "A request needs the files left and right.")
            images.append(io.BytesIO(await part.read()))
            images[-1].name = side  # Errors name it.
    return images
