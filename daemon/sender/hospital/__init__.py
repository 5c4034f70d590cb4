"""A hospital whose patients do not exist: what its people, beds, orders and appointments do, and the messages about it."""
