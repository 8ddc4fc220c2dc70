"""From replicates to conclusions: aggregators for Crystallize, found by name."""
