"""Run training steps of MAF-Net's joint phase at the paper's size, on random images.

    python -m workflow.speed.paper_size [--batch 4] [--steps 2] [--precision float32]
        [--compile none] [--channels-last]

Proves that the paper's configuration can be built and trained here, and prints what it takes.
"""

import argparse

from benchmarks.config import Speed
from workflow.plan import Plan
from workflow.speed.measuring import peak_memory, seconds
from workflow.speed.settings import Settings
from workflow.speed.steps import random_batch, ready
from workflow.train import make_machine
from workflow.training.cost import count_parameters
from workflow.training.devices import device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="maf_net.joint")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--precision", default="float32", choices=["float32", "bf16", "fp16"])
    parser.add_argument("--compile", default="none", choices=["none", "kernels", "graphs"])
    parser.add_argument("--channels-last", action="store_true")
    options = parser.parse_args()

    settings = Settings(folder="", benchmark="brats2020", batch=options.batch)
    benchmark = settings.load()
    run = Plan(benchmark)[options.run]
    crop = benchmark.results.slices.crop
    chosen = ("threads", "precision", "compile", "channels_last")
    speed = Speed(**{name: getattr(options, name) for name in chosen})
    with device(speed) as where:
        machine = make_machine(speed, where)
        entry = ready(run, machine)
        print(
            f"{run.name} at {crop} x {crop}, batch {options.batch}: "
            f"{count_parameters(entry) / 1e6:.1f} M parameters"
        )
        batch = random_batch(entry, benchmark).to(where)
        losses = {}
        for number in range(options.steps):
            took = seconds(lambda: losses.update(machine.step(entry, batch)), where)
            shown = "  ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items())
            print(f"step {number + 1}: {took:.1f} s  {shown}", flush=True)
        print(f"peak memory {peak_memory(where) / 1e9:.1f} GB on {where.type}")


if __name__ == "__main__":
    main()
