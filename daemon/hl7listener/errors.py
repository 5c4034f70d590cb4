"""What can be wrong on the HL7 side of a site file. Faults of a sender are values (``finding.py``), not errors."""

from __future__ import annotations

from daemon.errors import SettingsInvalid


class PathInvalid(SettingsInvalid):
    """An HL7 path that cannot be read."""

    code = "hl7-path-invalid"


class CertificateUnusable(SettingsInvalid):
    """A certificate, key, list of authorities or of revoked certificates cannot be used."""

    code = "certificate-unusable"
