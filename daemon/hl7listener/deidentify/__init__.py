"""Messages without anything that could name a patient, for tests and for those who look into an interface."""

from daemon.hl7listener.deidentify.rewrite import Deidentified, Unclear, deidentify
from daemon.hl7listener.deidentify.secret_file import site_secret

__all__ = ["Deidentified", "Unclear", "deidentify", "site_secret"]
