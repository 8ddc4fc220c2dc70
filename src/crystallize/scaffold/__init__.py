"""New plugin distributions, written from templates."""
