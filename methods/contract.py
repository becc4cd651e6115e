"""What every entry provides, and what the suite gives it.

An entry is a folder with a `method.yaml` (see `methods.registry`) and a `method.py` that holds
one subclass of `Synthesizer`, `Segmentor` or `Control`. It knows tensors and nothing else: the
suite owns loading, the split, the loop, seeds, precision, resuming, writing and scoring.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.optim import Optimizer

CLASSES = 4  # background, necrotic and non-enhancing core, oedema, enhancing tumour


class MethodError(Exception):
    """An entry breaks the contract. The message names the folder, the key and the mend."""


class Params(BaseModel):
    """An entry's own settings, each with its default at the paper's size."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Batch:
    """One training batch on the device; what an entry does not need, it leaves alone.

    Attributes
    ----------
    inputs : (B, C, H, W) float32 in [-1, 1], the modalities that `method.yaml` names.
    t1ce : (B, 1, H, W) float32 in [-1, 1]. The T1ce of the same slices for a paired entry; of
        other slices for an unpaired one, which the loader sees to.
    labels : (B, H, W) int64 in 0..3, the classes of `inputs`' slices.
    """

    inputs: Tensor
    t1ce: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(x.to(device, non_blocking=True) for x in vars(self).values()))


class Entry(ABC):
    """Networks, optimizers, and one training step.

    Networks and optimizers are plain attributes set in `build`; the suite finds them there to
    move, save and restore them. Anything else that training depends on belongs in `memory`.

    Parameters
    ----------
    params : an instance of the class's own `Params`.
    channels : how many input channels the suite will give it.

    Attributes
    ----------
    batches_per_step : how many of the benchmark's batches one `train_step` gets, as one `Batch`. A
        step is one update of the generator, so an entry that needs several batches for one says so
        here, and is given as many steps as every other entry.
    progress : the share of the training that is done, in [0, 1); the loop sets it before each step.
        A learning-rate schedule is a function of it (see `methods.layers.schedule`).
    """

    Params: type[Params] = Params
    batches_per_step: int = 1
    progress: float = 0.0

    def __init__(self, params: Params, channels: int):
        self.params = params
        self.channels = channels
        self.scaler: torch.amp.GradScaler | None = None
        self.build()
        for optimizer in self.optimizers.values():
            _fuse(optimizer)

    @abstractmethod
    def build(self) -> None:
        """Make networks and optimizers as attributes; called once, on the CPU, seed set."""

    @abstractmethod
    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the weights once and return each loss as a scalar, by its name."""

    def memory(self) -> dict:
        """State beside networks and optimizers that training depends on, e.g. a history pool."""
        return {}

    def recall(self, memory: dict) -> None:
        """Take back what `memory` gave."""
        if memory:
            raise MethodError(f"{type(self).__name__} has a memory, but no `recall` to restore it.")

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {name: x for name, x in vars(self).items() if isinstance(x, nn.Module)}

    @property
    def optimizers(self) -> dict[str, Optimizer]:
        return {name: x for name, x in vars(self).items() if isinstance(x, Optimizer)}

    def update(self, loss: Tensor, *optimizers: Optimizer, clip: float | None = None) -> None:
        """One step of `optimizers` down the gradient of `loss`, in the suite's precision.

        Parameters
        ----------
        clip : the largest norm that the gradient of all their parameters together may have.
        """
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        # The suite may run `train_step` under autocast, where a backward pass does not belong.
        with torch.autocast(loss.device.type, enabled=False):
            self._step(loss, optimizers, clip)
        # Autocast keeps its casts of the weights, and would go on with those of before the step.
        torch.clear_autocast_cache()

    def _step(self, loss: Tensor, optimizers: tuple[Optimizer, ...], clip: float | None) -> None:
        if self.scaler is None:
            loss.backward()
            _clip(optimizers, clip)
            for optimizer in optimizers:
                optimizer.step()
            return
        self.scaler.scale(loss).backward()
        if clip is not None:
            for optimizer in optimizers:
                self.scaler.unscale_(optimizer)
        _clip(optimizers, clip)
        for optimizer in optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()

    def to(
        self, device: torch.device, memory_format: torch.memory_format = torch.preserve_format
    ) -> "Entry":
        for network in self.networks.values():
            network.to(device, memory_format=memory_format)
        for optimizer in self.optimizers.values():
            # Moments do not follow their parameters; loading puts them where those are now.
            _load(optimizer, optimizer.state_dict())
        return self

    def training(self, mode: bool) -> "Entry":
        """Switch all networks to training (True) or prediction (False)."""
        for network in self.networks.values():
            network.train(mode)
        return self

    def state(self) -> dict:
        """All that is needed to go on training as if never interrupted."""
        return {
            "networks": {name: x.state_dict() for name, x in self.networks.items()},
            "optimizers": {name: x.state_dict() for name, x in self.optimizers.items()},
            "scaler": self.scaler.state_dict() if self.scaler else {},
            "memory": self.memory(),
        }

    def restore(self, state: dict, parts: bool = False) -> None:
        """Take back `state`.

        Parameters
        ----------
        state : what `state` returned.
        parts : take what both have, for a variant that continues from another's weights.
        """
        kinds = {
            "networks": (self.networks, nn.Module.load_state_dict),
            "optimizers": (self.optimizers, _load),
        }
        for kind, (own, load) in kinds.items():
            names = own.keys() & state[kind].keys() if parts else own.keys()
            for name in names:
                load(own[name], state[kind][name])
        if self.scaler and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        if not parts:
            self.recall(state["memory"])


class Synthesizer(Entry):
    """An entry that makes T1ce."""

    @abstractmethod
    def synthesize(self, inputs: Tensor) -> Tensor:
        """T1ce of slices, without ever seeing it.

        Parameters
        ----------
        inputs : (B, C, H, W) in [-1, 1].

        Returns
        -------
        (B, 1, H, W) in [-1, 1].
        """


class Segmentor(Entry):
    """An entry that segments. As the second stage of a synthesis entry it gets one more channel,
    the synthesised T1ce; alone it gets the modalities of its `method.yaml`."""

    @abstractmethod
    def segment(self, inputs: Tensor) -> Tensor:
        """Logits of the classes: (B, C, H, W) in [-1, 1] -> (B, 4, H, W)."""


class Control(Synthesizer):
    """A floor or an oracle: nothing is trained, so its tables check the metrics themselves."""

    def build(self) -> None:
        pass

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        raise MethodError(f"{type(self).__name__} is a control: there is nothing to train.")


def _fuse(optimizer: Optimizer) -> None:
    """Let Adam take its step in one kernel, equal within rounding, unless `build` chose another."""
    for group in optimizer.param_groups if isinstance(optimizer, torch.optim.Adam) else []:
        if group["fused"] is None and not (group["foreach"] or group["differentiable"]):
            group["fused"] = True


def _load(optimizer: Optimizer, state: dict) -> None:
    optimizer.load_state_dict(state)
    # A fused step takes for granted that moments lie in memory as their parameters do.
    for parameter, moments in optimizer.state.items():
        for name, x in moments.items():
            if torch.is_tensor(x) and x.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=x.dtype).copy_(x)


def _clip(optimizers: tuple[Optimizer, ...], norm: float | None) -> None:
    if norm is not None:
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        nn.utils.clip_grad_norm_([p for group in groups for p in group["params"]], norm)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Let gradients pass through `networks` without computing any for their weights."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)
