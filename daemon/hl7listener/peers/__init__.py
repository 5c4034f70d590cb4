"""Where senders come from, and who they must be."""
