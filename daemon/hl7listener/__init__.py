"""HL7 v2 feeds over MLLP: received, stored, answered, handed on in order."""
