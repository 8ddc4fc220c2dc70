"""Plugins: what is installed (catalog), what an experiment uses (host), and the strategies."""
