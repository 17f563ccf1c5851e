"""What an address looks like to an eye: for warnings only, never for matching (U2)."""

from __future__ import annotations

import unicodedata

from maild.model.address import Address

# Letters that look Latin.  A short table of Unicode's confusables (UTS 39): those that a forger would pick first.
_LOOKS_LIKE = str.maketrans(
    {
        "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "һ": "h", "і": "i", "ј": "j", "к": "k", "ӏ": "l",  # noqa: RUF001
        "м": "m", "п": "n", "о": "o", "р": "p", "ԛ": "q", "г": "r", "ѕ": "s", "т": "t", "ц": "u", "ѵ": "v",  # noqa: RUF001
        "ԝ": "w", "х": "x", "у": "y", "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "i", "κ": "k", "ν": "v",  # noqa: RUF001
        "ο": "o", "ρ": "p", "τ": "t", "υ": "u", "χ": "x", "ω": "w", "ɑ": "a", "ɡ": "g", "ı": "i", "0": "o",  # noqa: RUF001
        "1": "l", "|": "l",
    }
)  # fmt: skip


def skeleton(address: Address) -> str:
    """Return a text that is equal for addresses which look the same."""
    shown = unicodedata.normalize("NFKC", address.shown).casefold()
    bare = "".join(
        char for char in unicodedata.normalize("NFD", shown) if not unicodedata.combining(char)
    )
    return bare.translate(_LOOKS_LIKE).replace("rn", "m")
