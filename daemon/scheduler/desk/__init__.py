"""The schedule for people: lists, details, pictures, and changes while it runs."""
