"""What every model provides, and what the suite gives it.

A method is a folder with a `method.yaml` (see `methods.registry`) and a `method.py` that holds one
model: a subclass of `Synthesizer`, `Segmentor` or `Control`. A model sees tensors only. The suite
owns loading, the split, the loop, seeds, precision, resuming, writing and scoring.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.optim import Optimizer

from methods.errors import MethodError

CLASSES = 4  # background, necrotic and non-enhancing core, oedema, enhancing tumour


@dataclass(frozen=True)
class Batch:
    """One training batch on the device.

    Attributes
    ----------
    inputs : (B, C, H, W) float32 in [-1, 1], the modalities that `method.yaml` names. Air is -1.
    t1ce : (B, 1, H, W) float32 in [-1, 1]. A paired method gets the T1ce of the same slices, an
        unpaired method the T1ce of other slices; the loader sees to it.
    labels : (B, H, W) int64 in 0..3, the classes of the slices of `inputs`.
    """

    inputs: Tensor
    t1ce: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(x.to(device, non_blocking=True) for x in vars(self).values()))


class Model(ABC):
    """Networks, optimizers, and one training step.

    Networks and optimizers are plain attributes set in `build`. The suite finds them there to move,
    save and load them. Any other state that training depends on belongs in `extra_state`.

    Parameters
    ----------
    params : one frozen attribute per parameter that `method.yaml` declares.
    channels : of the inputs.

    Attributes
    ----------
    batches_per_step : how many of the benchmark's batches one `train_step` gets, as one `Batch`. A
        step is one update of the generator. A model that needs several batches for one update sets
        it, and gets as many steps as every other model.
    progress : the share of the training that is done, in [0, 1); the loop sets it before each step.
        A learning-rate schedule is a function of it (see `methods.layers.schedule`).

    Notes
    -----
    A subclass may also define `attention(inputs)`: (B, C, H, W) in [-1, 1] -> the weight of each
    modality at each position, (B, C, h, w), summing to 1 over C; None for a variant without
    attention. The figure `attention` shows it.
    """

    batches_per_step: int = 1
    progress: float = 0.0

    def __init__(self, params: BaseModel, channels: int):
        self.params = params
        self.channels = channels
        self.scaler: torch.amp.GradScaler | None = None
        self.build()
        for optimizer in self.optimizers.values():
            _fuse(optimizer)

    @abstractmethod
    def build(self) -> None:
        """Set networks and optimizers as attributes; called once, on the CPU, with the seed set."""

    @abstractmethod
    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the weights once and return each loss as a scalar, by its name."""

    def extra_state(self) -> dict:
        """Return the state that training depends on beside networks and optimizers.

        For instance a history pool; tensors, numbers, lists and dicts.
        """
        return {}

    def load_extra_state(self, state: dict) -> None:
        """Restore what `extra_state` returned."""
        if state:
            raise MethodError(
                f"{type(self).__name__} has `extra_state`, but no `load_extra_state` to restore it."
            )

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {name: x for name, x in vars(self).items() if isinstance(x, nn.Module)}

    @property
    def optimizers(self) -> dict[str, Optimizer]:
        return {name: x for name, x in vars(self).items() if isinstance(x, Optimizer)}

    def update(self, loss: Tensor, *optimizers: Optimizer, clip: float | None = None) -> None:
        """Take one step of `optimizers` down the gradient of `loss`, in the suite's precision.

        Parameters
        ----------
        clip : the largest norm allowed for the gradient of all their parameters together.
        """
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        # The suite may run `train_step` under autocast, where a backward pass does not belong.
        with torch.autocast(loss.device.type, enabled=False):
            self._step(loss, optimizers, clip)
        # Autocast caches its casts of the weights, and would reuse stale ones.
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
    ) -> Self:
        """Move networks and optimizers to a device, in place."""
        for network in self.networks.values():
            network.to(device, memory_format=memory_format)
        for optimizer in self.optimizers.values():
            # Moments do not follow their parameters; loading puts them where those are now.
            _load(optimizer, optimizer.state_dict())
        return self

    def train(self) -> Self:
        """Put all networks in training mode."""
        for network in self.networks.values():
            network.train()
        return self

    def eval(self) -> Self:
        """Put all networks in evaluation mode."""
        for network in self.networks.values():
            network.eval()
        return self

    def state_dict(self) -> dict:
        """Return everything that an interrupted training needs to resume bit for bit."""
        return {
            "networks": {name: x.state_dict() for name, x in self.networks.items()},
            "optimizers": {name: x.state_dict() for name, x in self.optimizers.items()},
            "scaler": self.scaler.state_dict() if self.scaler else {},
            "extra": self.extra_state(),
        }

    def load_state_dict(self, state: dict, strict: bool = True) -> None:
        """Load what `state_dict` returned.

        Parameters
        ----------
        strict : False loads only the networks and optimizers that both have, for a variant that
            continues from another variant's weights.
        """
        kinds = {
            "networks": (self.networks, nn.Module.load_state_dict),
            "optimizers": (self.optimizers, _load),
        }
        for kind, (present, load) in kinds.items():
            names = present.keys() if strict else present.keys() & state[kind].keys()
            for name in names:
                load(present[name], state[kind][name])
        if self.scaler and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        if strict:
            self.load_extra_state(state["extra"])


class Synthesizer(Model):
    """A model that synthesises T1ce. One of kind `joint` has `segment` too, as `Segmentor` does."""

    @abstractmethod
    def synthesize(self, inputs: Tensor) -> Tensor:
        """Synthesise the T1ce of slices.

        Parameters
        ----------
        inputs : (B, C, H, W) in [-1, 1].

        Returns
        -------
        (B, 1, H, W) in [-1, 1].
        """


class Segmentor(Model):
    """A model that segments.

    Behind a synthesis it gets one more channel, the synthesised T1ce; alone it gets the modalities
    of its `method.yaml`.
    """

    @abstractmethod
    def segment(self, inputs: Tensor) -> Tensor:
        """Segment slices.

        Parameters
        ----------
        inputs : (B, C, H, W) in [-1, 1].

        Returns
        -------
        Logits of the classes, (B, 4, H, W).
        """


class Control(Synthesizer):
    """A floor or a ceiling. Nothing is trained, so its scores check the metrics themselves."""

    def build(self) -> None:
        pass

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        raise MethodError(f"{type(self).__name__} is a control: there is nothing to train.")


def _fuse(optimizer: Optimizer) -> None:
    """Make Adam step in one kernel, equal within rounding, unless `build` chose otherwise."""
    for group in optimizer.param_groups if isinstance(optimizer, torch.optim.Adam) else []:
        if group["fused"] is None and not (group["foreach"] or group["differentiable"]):
            group["fused"] = True


def _load(optimizer: Optimizer, state: dict) -> None:
    optimizer.load_state_dict(state)
    # A fused step assumes that moments have the memory layout of their parameters.
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
    """Pass gradients through `networks` without computing any for their weights."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)
