"""The ordered way from the spool to the queues."""
