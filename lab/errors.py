"""The one error that the lab raises towards its callers."""


class LabError(Exception):
    """Something the user has to know; the message names the object, the cause and the cure."""
