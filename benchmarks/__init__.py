"""What a replicate costs beyond its own work, beside other ways to run it.

Run from the root of the repository::

    python -m pip install -e . -r benchmarks/requirements.txt && python -m benchmarks

``docs/benchmarks.md`` tells how to read what it prints.
"""
