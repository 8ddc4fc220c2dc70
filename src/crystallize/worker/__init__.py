"""What runs where cells run."""
