"""Sweeps: a grid of fits from a YAML file, planned in stacks, run by workers, resumed where they stopped."""
