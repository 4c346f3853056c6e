"""Where the time of one step goes, by operator: `python -m bench.peers.profile eager prior .bench --threads 2`.

Times are an operator's own, without those it calls, summed over the step.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from .contenders import CONTENDERS
from .setting import Setting, Step


def operators(step: Step) -> list[dict[str, object]]:
    """Every operator's calls and milliseconds, the longest first."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=False) as profiler:
        step()
    found = [
        {"name": one.key, "calls": one.count, "milliseconds": one.self_cpu_time_total / 1000}
        for one in profiler.key_averages()
        if one.self_cpu_time_total > 0
    ]
    return sorted(found, key=lambda one: -one["milliseconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("stage", choices=["prior", "decoder", "vqgan"])
    parser.add_argument("home", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with torch.no_grad():
        setting = Setting(options.home, options.stage, torch.float32, options.threads)
        step = CONTENDERS[options.contender](setting)
        step()  # warm
        print(json.dumps(operators(step)))


if __name__ == "__main__":
    main()
