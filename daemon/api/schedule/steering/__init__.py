"""Changing the schedule over HTTP."""
