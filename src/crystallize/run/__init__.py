"""One run, on the driver's side."""
