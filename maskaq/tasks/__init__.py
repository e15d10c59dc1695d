"""Tasks: what a model is for, and with it everything that depends on that.

Each task is one object, named by one entry in `maskaq.config.components`.
"""

from maskaq.config import components
from maskaq.registry import Implementations
from maskaq.tasks.base import Task

__all__ = ["TASKS", "Task"]

TASKS: Implementations[Task] = Implementations(components.TASKS)
