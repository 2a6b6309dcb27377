"""The one error that users see: a sentence that names the thing, the reason and the mend."""


class Refused(Exception):
    """Something cannot be done and the user can mend it; `str()` is the whole message.

    The command line prints it without a traceback and exits with code 2.
    """
