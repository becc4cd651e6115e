"""Measure where a training step's time goes: each kind of operation's share, by torch's profiler.

An operation counts with all that it calls, forward and backward: the matrix product inside a
convolution is convolution. On a GPU the shares are of the time of its kernels.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from workflow.plan import Plan
from workflow.speed.measuring import median, noise, take_turns
from workflow.speed.settings import Settings
from workflow.speed.stages import count_flops, of_each_run, random_batch, ready
from workflow.training.devices import claim_device
from workflow.training.setup import make_machine

# By kind, in the order of columns: what the names of its operations have in common. The first that
# fits counts; what fits none is the rest.
KINDS = {
    "convolution": r"conv|FromFew",
    "matrix_product": r"(?<![a-z])(mm|bmm|addmm|baddbmm|linear|matmul)(?![a-z])|[Mm]mBackward",
    "norm": r"(batch|group|instance|layer)_?norm",
    "padding": r"pad2d|pad_nd|Reflect",
    "activation": r"relu|tanh|sigmoid|threshold|clamp_min",
    "optimiser": r"^optimizer",
}
STEPS = 3  # that are profiled


def measure(settings: Settings) -> list[dict]:
    """Measure one training step of each run on random images, each run in a process of its own."""
    return of_each_run(f"{__name__}:measure_run", settings)


def measure_run(name: str, settings: dict) -> dict:
    """Return the row of one training: the shares by kind, which add up to 1."""
    benchmark = Settings(**settings).load()
    with claim_device(benchmark.speed) as device:
        # Generated kernels have no kind.
        machine = replace(make_machine(benchmark.speed, device), compile="none")
        model = ready(Plan(benchmark)[name], machine)
        batch = random_batch(model, benchmark).to(device)
        step = partial(machine.step, model, batch)
        convolve, flops = convolution(device)
        with machine.autocast():
            steps, convolutions = take_turns(settings["repeats"], step, convolve, device=device)
        speed = flops / median(convolutions).wall
        shares = shares_of(step)
        flops_per_second = count_flops(model, batch, machine) / median(steps).wall
    return {
        "name": name,
        "seconds_per_step": median(steps).wall,
        **{f"share_{kind}": shares[kind] for kind in (*KINDS, "rest")},
        "share_of_convolution": flops_per_second / speed,
    }


def convolution(device: torch.device) -> tuple[Callable[[], object], int]:
    """Return a convolution that is fast everywhere, to be timed, and how many FLOP it is."""
    count, channels, side = 8, 128, 32
    images = noise(count, channels, side).to(device)
    weight = noise(channels, channels, 3).to(device)
    return partial(F.conv2d, images, weight, padding=1), 2 * count * (3 * channels * side) ** 2


def shares_of(work: Callable[[], object]) -> Counter[str]:
    """Return the share of each kind of operation in the time of `work`, done some times."""
    work()  # sets the profiler up
    on_gpu = torch.cuda.is_available()
    with profile(activities=[ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu) as profiled:
        for _ in range(STEPS):
            work()
    events = [x for x in profiled.events() if x.device_type == DeviceType.CPU]
    on_gpu = any(x.self_device_time_total for x in events)
    return by_kind(events, "self_device_time_total" if on_gpu else "self_cpu_time_total")


def by_kind(events: Iterable[FunctionEvent], time: str) -> Counter[str]:
    """Return the share of each kind in the sum of the events' attribute `time`."""
    seconds: Counter[str] = Counter()
    for event in events:
        seconds[kind_of(event)] += getattr(event, time)
    total = seconds.total()
    return Counter({kind: value / total for kind, value in seconds.items()})


def kind_of(event: FunctionEvent) -> str:
    """Return the kind of the outermost operation around an event that has one."""
    kind = "rest"
    while event is not None:
        kind = next((k for k, x in KINDS.items() if re.search(x, event.name, re.I)), kind)
        event = event.cpu_parent
    return kind
