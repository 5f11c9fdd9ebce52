"""The one error base class, and the shape of its messages."""


class CxrfairError(Exception):
    """Something a user can put right.

    Messages read `<where>: <what is wrong>; <what is allowed or how many>`.
    """
