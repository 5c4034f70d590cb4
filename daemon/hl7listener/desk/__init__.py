"""Steering feeds at run time, and having stored messages handed on once more."""
