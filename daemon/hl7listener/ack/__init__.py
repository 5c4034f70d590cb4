"""What is accepted, and how and when it is answered."""
