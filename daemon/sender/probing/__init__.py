"""A conformance suite for any MLLP listener: what is sent, what a good listener does, and what this one did."""
