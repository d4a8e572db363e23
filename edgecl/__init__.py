"""Train tasks on a frozen backbone and ship each one as a small file."""

__version__ = "0.1.0"
