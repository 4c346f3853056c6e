"""A peer on one stage, which answers requests, one JSON object a line each way: `{"out": FILE}` computes a step and
writes what it gave, float32, to the file; `{}` computes a step and tells how many milliseconds it took.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

from .contenders import CONTENDERS
from .gemm import rates
from .setting import Setting


def answer(step: Any, request: dict[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    output = step()
    seconds = time.perf_counter() - started
    if "out" in request:
        output.float().contiguous().numpy().tofile(request["out"])
    return {"milliseconds": seconds * 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=[*CONTENDERS, "gemm"])
    parser.add_argument("stage", choices=["prior", "decoder", "vqgan", "gemm"])
    parser.add_argument("home", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    options = parser.parse_args()
    # Compilers print what they please: the answers keep the real standard output to themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=answers, flush=True)

    torch.set_num_threads(options.threads)
    started = time.perf_counter()
    dtype = getattr(torch, options.dtype)
    with torch.no_grad():
        if options.contender == "gemm":
            respond = rates(dtype)
        else:
            step = CONTENDERS[options.contender](Setting(options.home, options.stage, dtype, options.threads))

            def respond(request: dict[str, Any]) -> dict[str, Any]:
                return answer(step, request)

        say({"seconds": time.perf_counter() - started, "torch": torch.__version__})
        for line in sys.stdin:
            say(respond(json.loads(line)))


if __name__ == "__main__":
    main()
