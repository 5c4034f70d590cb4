"""What is done with each field of each segment when a message is de-identified. What is not listed is removed.

Field numbers and meanings are those of HL7 v2.5.1 chapters 2, 3, 4, 6, 7, 8, 10 and 11; earlier and later versions agree where a
field is listed here, or the later ones have removed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Kind(Enum):
    """What is done with a field."""

    KEEP = "k"
    """It stays: codes, numbers and places of the hospital."""
    CODE = "c"
    """A coded element: it stays, but for a text without a code."""
    TIME = "t"
    """An instant: moved by the patient's number of days."""
    ID = "i"
    """An identifier: a pseudonym; the authority and the type stay."""
    NAME = "n"
    """A person's name: invented."""
    PERSON = "x"
    """Identifier and name of someone who works there: a pseudonym and an invented name."""
    PHONE = "p"
    """A telephone number: an invented one."""
    ADDRESS = "a"
    """Only the country stays."""
    TEXT = "f"
    """Free text: a word in its place says that there was some."""
    VALUE = "v"
    """An observation: by its type."""


_SPECIFIED = {
    "EVN": "1k 2t 3t 4k 6t",
    "PID": "1k 2i 3i 4i 5n 6n 7t 8k 9n 10c 11a 13p 14p 15c 16c 17c 18i 19i 20i 21i 22c 24k 25k 26c 29t 30k 31k 33t",
    "PD1": "1k 2k 5k 7k 8k 11c 12k 13t",
    "NK1": "1k 2n 3c 4a 5p 6p 7c 8t 9t 14c 15k 16t 17k 18k",
    "PV1": (
        "1k 2k 3k 4k 5i 6k 7x 8x 9x 10k 11k 12k 13k 14k 15k 16k 17x 18k 19i 20k 21k 22k 25t 36k 37k 38c 39k 40k 41k 42k 43k"
        " 44t 45t 50i 51k 52x"
    ),
    "PV2": "1k 2c 3c 4c 7k 8t 9t 10k 11k 14t 17t 18k 19k 21k 22k 24k 26t 28t 29t 33t 37k 38c 40c 41c 42c 44k 47t",
    "MRG": "1i 2i 3i 4i 5i 6i 7n",
    "ORC": "1k 2i 3i 4i 5k 6k 7k 8i 9t 10x 11x 12x 13k 15t 16c 17c 18c 19x 25c 27t 28c 29c",
    "OBR": "1k 2i 3i 4c 5k 6t 7t 8t 9k 10x 11k 12c 14t 15c 16x 22t 24k 25k 26i 27k 28x 30k 31c 36t 37k 43c 44c 45c 47c",
    "OBX": "1k 2k 3c 4k 5v 6c 7k 8k 9k 10k 11k 12t 13k 14t 16x 17c 19t",
    "NTE": "1k 2k 3f 4c",
    "SPM": "1k 2i 3i 4c 5c 6c 7c 8c 9c 10c 11c 13k 16c 17t 18t 20k 21c 24c 25k 26k 27c",
    "TQ1": "1k 2k 3k 4k 5k 6k 7t 8t 9c 12k 13k 14k",
    "TQ2": "1k 2k 3i 4i 5i 6k 7k 8k",
    "AL1": "1k 2c 3c 4c 5f 6t",
    "IAM": "1k 2c 3c 4c 5f 6c 9c 10f 11t 12t 13t 14x 17c 18x 20t",
    "DG1": "1k 2k 3c 4f 5t 6k 7k 8c 9k 10k 11k 12k 15k 16x 17k 18k 19t 20i 21k",
    "DRG": "1c 2t 3k 4c 5k 6k 8c 9k 10k",
    "PR1": "1k 2k 3c 4f 5t 6k 7k 8x 9k 10k 11x 12x 13c 14k 15c 16c 17k 19k 20k",
    "GT1": "1k 2i 3n 4n 5a 6p 7p 8t 9k 10k 11c 12i 13t 14t 15k 20c 21n",
    "IN1": "1k 2c 3i 4k 5a 7p 8i 10i 12t 13t 15k 16n 17c 18t 19a 20k 21k 22k 29t 32k 36i 42c 43k 44a 49i",
    "IN2": "1i 2i 6i 8i 25i 26i 29i 52i 61i 63p",
    "IN3": "1k 2i 3x 4k 6t 7t 9t 10t 12t 13t 25x",
    "ACC": "1t 2c 3f 4c 5k 6k",
    "UB1": "1k",
    "UB2": "1k",
    "RXO": "1c 2k 3k 4c 5c 6f 7f 8k 9k 10c 11k 12c 13k 14x 16k 17k 18k 19c 20c 21k 22k 23k 24c 25k 26c",
    "RXE": "1k 2c 3k 4k 5c 6c 7f 9k 10k 11c 12k 13x 14x 15i 16k 17k 18t 19k 20k 21f 22k 23k 24c 25k 26c 27c 28k 29c 30k 31c 32t",
    "RXR": "1c 2c 3c 4c 5c 6c",
    "RXC": "1k 2c 3k 4c 5k 6c",
    "RXD": "1k 2c 3t 4k 5c 6c 7i 8k 9f 10x 11k 12k 13k 15f 16k 17k 18k 19t 20c 21c 22k 23c",
    "RXA": "1k 2k 3t 4t 5c 6k 7c 8c 9f 10x 11k 12k 13k 14c 15k 16t 17c 18c 19c 20k 21k 22t",
    "RXG": "1k 2k 3k 4c 5k 6k 7c 8c 9f 10k 11k 13f 14k 15k 16c 17k 18c 19k 20t 21c 22c",
    "SCH": "1i 2i 3k 4i 5c 6c 7c 8c 9k 10c 11k 12x 13p 14a 15k 16x 17p 18a 19k 20x 21p 22k 23i 24i 25c 26i 27i",
    "RGS": "1k 2k 3c",
    "AIS": "1k 2k 3c 4t 5k 6c 7k 8c 9k 10c",
    "AIG": "1k 2k 3c 4c 5c 6k 7k 8t 9k 10c 11k 12c 13k 14c",
    "AIL": "1k 2k 3k 4c 5c 6t 7k 8c 9k 10c 11k 12c",
    "AIP": "1k 2k 3x 4c 5c 6t 7k 8c 9k 10c 11k 12c",
    "FT1": "1k 2i 3i 4t 5t 6k 7c 8f 9f 10k 11k 12k 13c 14c 16k 17k 18k 19c 20x 21x 22k 23i 24x 25c 26c",
    "TXA": "1k 2k 3k 4t 5x 6t 7t 8t 9x 10x 11x 12i 13i 14i 15i 17k 18k 19k 20k 22x",
    "DB1": "1k 2k 4k 5t 6t 7t 8t",
    "ROL": "1i 2k 3c 4x 5t 6t 7c 9c 10c 11a 12p",
    "MSA": "1k 2i 4k",
    "ERR": "1k 2k 3c 4k 5c",
    "QAK": "1i 2k 3c 4k 5k 6k",
    "QRD": "1t 2k 3k 4i 7k 8x 9c 10c",
    "DSC": "2k",
    "CTI": "1i 2c 3c",
    "BLG": "1k 2k 3i 4c",
    "CTD": "1c 2n 3a 4k 5p",
}


def _table(specified: str) -> dict[int, Kind]:
    return {int(one[:-1]): Kind(one[-1]) for one in specified.split()}


FIELDS: Mapping[str, Mapping[int, Kind]] = {segment: _table(text) for segment, text in _SPECIFIED.items()}
"""What is done with the fields of a segment, by their numbers."""

NAMES_SOMEONE = frozenset((Kind.ID, Kind.NAME, Kind.PERSON, Kind.PHONE, Kind.ADDRESS))
"""Fields whose values must occur nowhere in the result."""

OF_A_PATIENT = frozenset(("PID", "NK1", "GT1", "IN1", "IN2", "MRG"))
"""Segments of which even what is removed must occur nowhere in the result."""
