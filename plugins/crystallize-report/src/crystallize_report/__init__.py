"""Reports and figures of what an experiment found."""
