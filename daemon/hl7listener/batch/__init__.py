"""Batches: several messages in one block."""
