"""What came of an experiment."""
