"""Methods of continual learning. Every one that ships ends in `materialize`."""

from edgecl.methods.base import METHODS, Method, TaskLearner, build_method

__all__ = ["METHODS", "Method", "TaskLearner", "build_method"]
