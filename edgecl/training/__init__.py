"""Train tasks on a frozen backbone and keep what was learned in a run folder."""
