"""Methods of continual learning. Every one that ships ends in `materialize`."""

from edgecl.methods.base import EarlierTasks, Method, NewTask, Relations, TaskLearner
from edgecl.methods.registry import METHODS, build_method

__all__ = ["METHODS", "EarlierTasks", "Method", "NewTask", "Relations", "TaskLearner", "build_method"]
