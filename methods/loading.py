"""Import a method's class, and build its model: what planning leaves to the jobs."""

import importlib
import traceback
from types import ModuleType

import torch
from pydantic import BaseModel

from methods.contract import Control, Model, Segmentor, Synthesizer
from methods.errors import MethodError
from methods.registry import Method

BASES: dict[str, type[Model]] = {
    "synthesis": Synthesizer,
    "joint": Synthesizer,
    "segmentation": Segmentor,
    "control": Control,
}


def build(method: Method, params: BaseModel, channels: int) -> Model:
    """Build a method's model, with its pretrained weights if it has any.

    Parameters
    ----------
    params : from `Method.params`.
    channels : of the inputs.

    Raises
    ------
    MethodError : the class breaks the contract, cannot be built with these parameters, or does not
        fit the pretrained weights.
    """
    model_class = load_class(method)
    try:
        model = model_class(params, channels)
    except MethodError:
        raise
    except Exception as error:
        raise MethodError(
            f"methods/{method.name} cannot be built with {params!r}: {_raised(error)}. "
            f"Fix `results.params.{method.name}`, or `build`."
        ) from error
    _load_pretrained(method, model)
    return model


def load_class(method: Method) -> type[Model]:
    """Import a method's code and return its class.

    Raises
    ------
    MethodError : it cannot be imported, or does not hold exactly one model that fits its kind.
    """
    module = _import(method)
    path, base = f"methods/{method.name}/method.py", BASES[method.description.kind]
    models = [
        x
        for x in vars(module).values()
        if isinstance(x, type) and issubclass(x, Model) and x.__module__ == module.__name__
    ]
    if len(models) != 1 or not issubclass(models[0], base):
        raise MethodError(
            f"{path} holds {len(models)} models; kind `{method.description.kind}` asks for exactly "
            f"one subclass of {base.__name__}."
        )
    (model,) = models
    if missing := ", ".join(sorted(model.__abstractmethods__)):
        raise MethodError(
            f"{path}: {model.__name__} lacks {missing}; see methods/contract.py for what it must "
            "do."
        )
    joint = [variant for variant in method.variants if method.kind(variant) == "joint"]
    if joint and not hasattr(model, "segment"):
        raise MethodError(
            f"{path}: {model.__name__} has no method `segment`, but variant `{joint[0]}` is of "
            "kind `joint`."
        )
    return model


def _import(method: Method) -> ModuleType:
    try:
        return importlib.import_module(f"methods.{method.name}.method")
    except Exception as error:
        raise MethodError(
            f"methods/{method.name}/method.py cannot be imported: {_raised(error)}. To put a "
            "folder aside, begin its name with `_`."
        ) from error


def _load_pretrained(method: Method, model: Model) -> None:
    if method.pretrained is None:
        return
    place = f"methods/{method.name}/method.yaml, `pretrained`: {method.pretrained}"
    try:
        states = torch.load(method.pretrained, map_location="cpu", weights_only=True)
        for name, state in states.items():
            model.networks[name].load_state_dict(state)
    except KeyError as error:
        raise MethodError(
            f"{place} holds weights of {error}, but {type(model).__name__} has the networks "
            f"{', '.join(model.networks)}."
        ) from None
    except Exception as error:
        fault = " ".join(f"{type(error).__name__}: {error}".split())
        raise MethodError(f"{place} does not fit: {fault}") from None


def _raised(error: Exception) -> str:
    """An error with the file and line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (raised in {last.filename}, line {last.lineno})"
