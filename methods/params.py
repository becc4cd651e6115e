"""A method's parameters as `method.yaml` declares them: types, defaults, choices.

Planning checks every setting against them, so this module imports no network.
"""

import difflib
import keyword
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)

from methods.errors import MethodError

# An int passes for a float. A bool is no int, and a text is no number.
TYPES = {
    "bool": StrictBool,
    "int": StrictInt,
    "float": Annotated[StrictFloat, Field(allow_inf_nan=False)],
    "str": StrictStr,
}


class Parameter(BaseModel):
    """One parameter: `width: 64`, or a mapping where a default alone does not say enough.

    Attributes
    ----------
    default : a bool, int, float or str, whose type is the parameter's; a list of such values, for a
        tuple of that length; or null, which needs `type`.
    type : `bool`, `int`, `float` or `str`, where the default is null. Null stays allowed.
    choices : the only values allowed.
    minimum : the smallest number allowed.
    help : what it means, in one sentence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    default: Any
    type: Literal["bool", "int", "float", "str"] | None = None
    choices: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    minimum: StrictInt | StrictFloat | None = None
    help: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_value_alone_is_the_default(cls, declared: Any) -> Any:
        return declared if isinstance(declared, dict) else {"default": declared}

    @model_validator(mode="after")
    def _is_consistent(self) -> "Parameter":
        parts = self.default if isinstance(self.default, list) else [self.default]
        if (self.default is None) != (self.type is not None):
            raise ValueError("write `type` where the default is null, and nowhere else")
        if not parts or not {type(x).__name__ for x in parts} <= {*TYPES, "NoneType"}:
            raise ValueError("the default must be a bool, int, float, str, a list of them, or null")
        if any(map(_is_number, parts)):
            raise ValueError(f"YAML reads this as text; {_AS_NUMBER}")
        if self.choices is not None and isinstance(self.default, list):
            raise ValueError("a list cannot have `choices`")
        if self.minimum is not None and self._type not in ("int", "float"):
            raise ValueError("only an int or a float can have a `minimum`")
        for value in [self.default, *(self.choices or ())]:
            try:
                TypeAdapter(self.annotation).validate_python(value)
            except ValidationError as error:
                raise ValueError(f"{value!r} is not allowed: {_fault(error)}") from None
        return self

    @property
    def _type(self) -> str:
        return self.type or type(self.default).__name__

    @property
    def annotation(self) -> Any:
        """The type that its values are checked against."""
        if isinstance(self.default, list):
            return tuple[*(TYPES[type(x).__name__] for x in self.default)]
        annotation = TYPES[self._type]
        if self.choices is not None:
            # Not a Literal, to which true is the same as 1.
            annotation = Annotated[annotation, AfterValidator(self._chosen)]
        if self.minimum is not None:
            annotation = Annotated[annotation, Field(ge=self.minimum)]
        return annotation if self.default is not None else annotation | None

    def _chosen(self, value: Any) -> Any:
        if value not in self.choices:
            raise ValueError(f"write one of {', '.join(map(repr, self.choices))}")
        return value


def params_model(parameters: Mapping[str, Parameter]) -> type[BaseModel]:
    """Make the class of `self.params`: frozen, one attribute per parameter, checked.

    Raises
    ------
    ValueError : a name cannot be an attribute of such a class.
    """
    for name in parameters:
        taken = keyword.iskeyword(name) or hasattr(BaseModel, name) or name.startswith("_")
        if taken or not name.isidentifier():
            raise ValueError(f"`{name}` cannot be a parameter's name; choose another one")
    fields = {
        name: (x.annotation, tuple(x.default) if isinstance(x.default, list) else x.default)
        for name, x in parameters.items()
    }
    config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    return create_model("Params", __config__=config, **fields)


def check_values(
    model: type[BaseModel], values: Mapping[str, Any], place: Callable[[str], str]
) -> None:
    """Check some values of a model's parameters.

    Parameters
    ----------
    place : names the file and line of a value, given its parameter's name.

    Raises
    ------
    MethodError : there is no such parameter, or the value is not allowed.
    """
    try:
        model(**values)
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        known = ", ".join(model.model_fields) or "none"
        if fault["type"] == "extra_forbidden":
            close = difflib.get_close_matches(name, model.model_fields, n=1)
            hint = f" Did you mean `{close[0]}`?" if close else ""
            raise MethodError(
                f"{place(name)}: there is no parameter `{name}`.{hint} Known: {known}."
            ) from None
        found = fault["input"]
        fix = f"; {_AS_NUMBER}" if _is_number(found) else ""
        raise MethodError(f"{place(name)}: found {found!r:.200}. {_fault(error)}{fix}.") from None


def _fault(error: ValidationError) -> str:
    return error.errors()[0]["msg"].removeprefix("Value error, ")


_AS_NUMBER = "write a number with a point, such as 1.0e-3, and no quotes"


def _is_number(value: Any) -> bool:
    """Whether a text is a number to Python: to YAML, `1e-3` is none."""
    try:
        return isinstance(value, str) and float(value) is not None
    except ValueError:
        return False
