"""Run training steps of MAF-Net's joint phase at the paper's size, on random images.

    python -m workflow.speed.paper_size [--batch 4] [--steps 2] [--precision float32]

Proves that the paper's configuration can be built and trained here, and prints what it takes.
"""

import argparse
import resource
import time

import torch

from benchmarks.config import Speed, load
from methods.contract import CLASSES, Batch
from workflow.plan import Plan
from workflow.training.devices import device
from workflow.training.loop import Machine
from workflow.training.seeding import seed_torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="maf_net.joint")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--precision", default="float32", choices=["float32", "bf16", "fp16"])
    options = parser.parse_args()

    benchmark = load("brats2020", data=".")
    run = Plan(benchmark)[options.run]
    crop = benchmark.results.slices.crop
    seed_torch(0)
    entry = run.entry()
    parameters = sum(p.numel() for n in entry.networks.values() for p in n.parameters())
    print(
        f"{run.name} at {crop} x {crop}, batch {options.batch}: {parameters / 1e6:.1f} M parameters"
    )
    with device(Speed(threads=options.threads)) as where:
        machine = Machine(where, options.precision)
        entry.to(where).training(True)
        entry.scaler = machine.scaler()
        for step in range(options.steps):
            images = torch.rand(options.batch, run.channels + 1, crop, crop) * 2 - 1
            labels = torch.randint(CLASSES, (options.batch, crop, crop))
            batch = Batch(images[:, :-1], images[:, -1:], labels).to(where)
            began = time.perf_counter()
            with machine.autocast():
                losses = entry.train_step(batch)
            shown = "  ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items())
            print(f"step {step + 1}: {time.perf_counter() - began:.1f} s  {shown}", flush=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        if where.type == "cuda":
            peak = torch.cuda.max_memory_allocated() / 1e9
        print(f"peak memory {peak:.1f} GB on {where.type}")


if __name__ == "__main__":
    main()
