"""The best state of a module while it is trained."""

from torch import nn

from maskaq.checkpoints import State


class BestState:
    """The state of a module with the least error so far.

    error: of that state. state: its `state_dict`, copied.
    """

    def __init__(self, module: nn.Module, error: float) -> None:
        self._module = module
        self.error, self.state = error, _copy(module)

    def offer(self, error: float) -> None:
        """Keep the present state if its error is less than that of the best one; NaN is not."""
        if error < self.error:
            self.error, self.state = error, _copy(self._module)

    def restore(self) -> None:
        """Put the module into its best state."""
        self._module.load_state_dict(self.state)


def _copy(module: nn.Module) -> State:
    return {name: value.clone() for name, value in module.state_dict().items()}
