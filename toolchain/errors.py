"""What the toolchain raises."""


class ToolError(Exception):
    """A tool cannot be had. The message is written for the user: tool, cause, cure."""
