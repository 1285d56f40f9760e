"""A BERT tokenizer learnt from captions: their words whole, and every letter, so that nothing stays unsaid."""

import re
import string
from collections import Counter
from collections.abc import Iterable

from transformers import BertTokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
INSIDE = "##"  # before what stands within a word


def learn_words(captions: Iterable[str], vocabulary: int, length: int) -> BertTokenizer:
    """The words that are said most, as many as there is room for beside the letters and signs."""
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    singles = [*SPECIAL, *letters, *(INSIDE + letter for letter in (*string.ascii_lowercase, *string.digits))]
    counted = Counter(word for caption in captions for word in re.findall(r"\w+", caption.lower()))
    ranked = sorted(counted, key=lambda word: (-counted[word], word))
    words = dict.fromkeys([*singles, *ranked[: max(0, vocabulary - len(singles))]])
    return BertTokenizer(vocab={word: number for number, word in enumerate(words)}, model_max_length=length)
