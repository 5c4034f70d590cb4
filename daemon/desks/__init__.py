"""What the API and the commands ask of the rest: one protocol for each concern, and values without patient data."""

from daemon.desks.feeds import (
    ConnectionRow,
    DeviationRow,
    FeedDesk,
    FeedDetail,
    FeedRow,
    FeedState,
    Pause,
    PausePolicy,
)
from daemon.desks.messages import MessageDesk, Replay, Replayed
from daemon.desks.refusals import (
    BadRequest,
    Changed,
    DeskRefused,
    NotHere,
    NotNow,
    NotPermitted,
    NotSignedIn,
    NotThere,
    TooMuch,
    Unavailable,
)

__all__ = [
    "BadRequest",
    "Changed",
    "ConnectionRow",
    "DeskRefused",
    "DeviationRow",
    "FeedDesk",
    "FeedDetail",
    "FeedRow",
    "FeedState",
    "MessageDesk",
    "NotHere",
    "NotNow",
    "NotPermitted",
    "NotSignedIn",
    "NotThere",
    "Pause",
    "PausePolicy",
    "Replay",
    "Replayed",
    "TooMuch",
    "Unavailable",
]
