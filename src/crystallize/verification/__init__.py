"""Whether an experiment gives the same numbers everywhere: a few replicates, run in many ways."""
