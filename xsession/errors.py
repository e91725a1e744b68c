"""A failure: one sentence for the person at the console, a hint to type next, an exit status.

The statuses are those of env(1): 125 is ours, 126 and 127 are the client's
that cannot be executed or found, 128+n is signal n.
"""

FAILED = 125
CANNOT_EXECUTE = 126
NOT_FOUND = 127
BY_SIGNAL = 128


class Failure(Exception):
    """Something could not be done. `what` says what, on what and why; `hint` what to do next."""

    def __init__(self, what: str, hint: str = "", status: int = FAILED) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.status = status

    def __str__(self) -> str:
        return f"{self.what}\n  {self.hint}" if self.hint else self.what
