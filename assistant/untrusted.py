"""What models and tools say, made safe to print: nothing in it can steer the terminal."""

import re

# C0 and C1 controls but for newline and tab, DEL, and what reorders or hides text on the screen.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)


def neutral(text: str) -> str:
    """The text with everything that could steer a terminal replaced by something visible."""
    return _STEERING.sub(_visible, text.replace("\r\n", "\n"))


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        # The control pictures, such as ␛ for escape.
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"
