"""Measure our training steps beside the official code's: same widths, images, device and threads.

    python -m workflow.speed.comparison NAME SETTING

is our side; `workflow.speed.official` is the other. Each is a process of its own, and they take
turns, so that whatever else the machine does hits both alike. Both compute in float32.
"""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from methods.contract import Batch
from methods.registry import discover
from workflow.speed.measuring import peak_memory, wall_and_core_seconds
from workflow.speed.official import OFFICIAL, Setting
from workflow.speed.processes import ProcessError, answering, serve, take_turns, talking_to
from workflow.speed.settings import Settings
from workflow.training.devices import device, use_cpu
from workflow.training.machine import Machine


def measure(settings: Settings) -> list[dict]:
    """A row a variant of each implementation in `settings.official`.

    Returns
    -------
    `seconds_per_step` and `official_seconds_per_step` (medians), `speedup` (the median over rounds
    of official to ours), `core_speedup` (the same of what the cores worked), `memory_bytes` and
    `official_memory_bytes`, `memory_ratio` (ours to official), `side` (of the slices, in px); or
    why it `failed`.
    """
    benchmark = settings.load()
    methods = discover()
    rows = []
    with device(benchmark.speed) as where:
        for name, checkout in settings.official.items():
            official = OFFICIAL[name]
            official.check(name, checkout)
            params = benchmark.results.params.get(name, {}) | (official.params or {})
            for variant in official.variants:
                setting = Setting(
                    checkout=str(Path(checkout).resolve()),
                    variant=variant,
                    params=methods[name].params(variant, params).model_dump(),
                    batch=benchmark.results.training.batch,
                    side=max(official.smallest, benchmark.results.slices.crop),
                    device=str(where),
                    threads=benchmark.speed.threads,
                )
                label = name if variant == "base" else f"{name}.{variant}"
                try:
                    row = _compare(name, setting, settings.repeats)
                except ProcessError as error:
                    row = {"failed": str(error)}
                rows.append({"name": label} | row)
    return rows


def _compare(name: str, setting: Setting, rounds: int) -> dict:
    with (
        talking_to("workflow.speed.comparison", name, str(setting)) as our_side,
        talking_to("workflow.speed.official", name, str(setting)) as official_side,
    ):
        took, (memory, official_memory) = take_turns([our_side, official_side], rounds)
    walls, cores = ([[pair[i] for pair in one] for one in took] for i in range(2))
    ours, official = (statistics.median(one) for one in walls)
    return {
        "side": setting.side,
        "seconds_per_step": ours,
        "official_seconds_per_step": official,
        "speedup": _median_ratio(*walls),
        "core_speedup": _median_ratio(*cores),
        "memory_bytes": memory,
        "official_memory_bytes": official_memory,
        "memory_ratio": memory / official_memory,
    }


def _median_ratio(ours: Sequence[float], official: Sequence[float]) -> float:
    return statistics.median(b / a for a, b in zip(ours, official, strict=True))


def main() -> None:
    """Serve steps of our entry that the first argument names, at the second's setting."""
    name, setting = sys.argv[1], Setting.parse(sys.argv[2])
    where = torch.device(setting.device)
    with answering() as answers:
        use_cpu(setting.threads)
        torch.manual_seed(0)
        entry = discover()[name].entry
        made = entry(entry.Params(**setting.params), 3)
        machine = Machine(where)
        machine.place(made).training(True)
        images, t1ce = setting.images(made.batches_per_step)
        labels = torch.zeros(len(images), *images.shape[2:], dtype=torch.int64, device=where)
        batch = Batch(images, t1ce[:, :1].contiguous(), labels)

        def step() -> tuple[float, float]:
            return wall_and_core_seconds(lambda: machine.step(made, batch), where)

        serve(step, lambda: peak_memory(where), answers)


if __name__ == "__main__":
    main()
