"""The one exception that means: the input is invalid, not the code."""


class InputError(Exception):
    """Something a user gave us is wrong: a path, a file, a key, a value.

    The message is a finished sentence or two for that user. It names the patient, the file or
    the key, says what was found, and says what to do. The command line prints it without a
    traceback and exits with code 2.
    """
