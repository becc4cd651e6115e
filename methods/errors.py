"""The one exception that means: a method's folder is invalid."""


class MethodError(Exception):
    """A method breaks the contract. The message names the file, the line or key, and the fix."""
