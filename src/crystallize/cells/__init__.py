"""What cells come to, and how outcomes become columns."""
