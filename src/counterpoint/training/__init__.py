"""Training: the in-memory trainer of one model or a stack of them, and the Lightning module for streams."""
