"""The ceiling: the real T1ce, which only a control may read."""

from torch import Tensor

from methods.contract import Control


class RealT1ce(Control):
    def synthesize(self, inputs: Tensor) -> Tensor:
        return inputs[:, 3:4]
