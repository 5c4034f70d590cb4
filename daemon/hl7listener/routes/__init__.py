"""What becomes of a message: routes, conditions, arguments."""
