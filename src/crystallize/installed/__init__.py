"""Plugins as other distributions bring them: found, imported, given their options and built."""
