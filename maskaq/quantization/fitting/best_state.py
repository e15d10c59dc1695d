"""The best state of a module while it is trained."""

from collections.abc import Callable

from torch import nn

from maskaq.checkpoints import State


class BestState:
    """The state of a module with the least error so far; at first the present one.

    error: of that state. state: its `state_dict`, copied.

    Args:
        measure: returns the error of the present state.
    """

    def __init__(self, module: nn.Module, measure: Callable[[], float]) -> None:
        self._module, self._measure = module, measure
        self.error, self.state = measure(), _copy(module)

    def offer(self) -> None:
        """Keep the present state instead if its error is less; an error of NaN is not."""
        if (error := self._measure()) < self.error:
            self.error, self.state = error, _copy(self._module)

    def restore(self) -> None:
        """Put the module into its best state."""
        self._module.load_state_dict(self.state)


def _copy(module: nn.Module) -> State:
    return {name: value.clone() for name, value in module.state_dict().items()}
