"""Checks on rewritten captions, whoever wrote them: the label is there, the wanted words changed, and no others."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache

from counterfactory.language.english import grammar
from counterfactory.language.kinds import KINDS, Kind
from counterfactory.language.labels import count, names
from counterfactory.language.offers import meant
from counterfactory.language.words import WORD, phrase, straight
from counterfactory.types import Edit, Passage, Rewriting

Words = tuple[str, ...]
AMBIGUOUS = {"sky", "day", "place", "ground", "cover"}  # slots of words that mean something else elsewhere: a blue sky
MOST_EDITS = 20  # of one caption


def complaint(passage: Passage, new: Rewriting) -> str | None:
    """What is wrong with a rewriting, in one sentence; None where nothing is."""
    before, after = _alike(passage.caption), _alike(new.caption)
    if not after:
        return "the new caption is empty"
    if before == after:
        return "the new caption says the same as the old one"
    wanted = names(passage)
    old_count, new_count = count(passage.caption, wanted), count(new.caption, wanted)
    if new_count != old_count:
        lost = "is gone or said less often" if new_count < old_count else "is said more often than before"
        return f"the label {passage.label or ' / '.join(passage.synonyms)!r} {lost}"
    if not new.edits:
        return "the new caption comes without the edits that made it"
    if idle := [edit for edit in new.edits if _alike(edit.old) == _alike(edit.new)]:
        return f"the edit of {idle[0].old!r} to {idle[0].new!r} changes nothing"
    return _derivation(passage.caption, new)


def edits_between(old: str, new: str) -> tuple[Edit, ...]:
    """What exchanged words, added and removed ones turn one caption into another, word by word."""
    before, after = _spelled(old), _spelled(new)
    matcher = SequenceMatcher(None, _alike(old), _alike(new), autojunk=False)
    found = []
    for same, i, j, k, m in _merged(matcher.get_opcodes(), _alike(old)):
        if not same:
            old_words, new_words = " ".join(before[i:j]), " ".join(after[k:m])
            found.append(Edit(kind=kind_of(old_words, new_words), old=old_words, new=new_words))
    return tuple(dict.fromkeys(found))


def kind_of(old: str, new: str) -> Kind:
    """The kind that an edit is of, by what the banks know of its new words, or else of its old ones."""
    for text in (new, old):
        found = [(kind, said[1]) for run in _runs(phrase(text)) for kind in KINDS if (said := meant(kind, run))]
        plain = [kind for kind, slot in found if slot not in AMBIGUOUS]
        if found:
            return plain[0] if plain else found[0][0]
    return "other"


def value_of(edit: Edit) -> str:
    """What an edit comes to, whatever its wording: `in heavy snow` is snow. Words that no bank knows are themselves."""
    kind: Kind = next((known for known in KINDS if known == edit.kind), "other")
    for run in _runs(phrase(edit.new)):
        found = meant(kind, run)
        if found:
            return found[0].name
    return edit.new.lower() if edit.new else f"no {edit.old.lower()}"


def _derivation(old: str, new: Rewriting) -> str | None:
    """Whether the edits, each made at least once, are all that parts the new caption from the old one."""
    pairs = [(tuple(_alike(edit.old)), tuple(_alike(edit.new))) for edit in new.edits]
    if len(pairs) > MOST_EDITS:
        return f"{len(pairs)} edits at once, at most {MOST_EDITS} can be checked"
    before, after, everything = _alike(old), _alike(new.caption), 2 ** len(pairs) - 1
    seen, waiting = {(0, 0, 0)}, [(0, 0, 0)]
    while waiting:
        i, j, used = waiting.pop()
        if (i, j, used) == (len(before), len(after), everything):
            return None
        steps = [(i + 1, j + 1, used)] if before[i : i + 1] == after[j : j + 1] != [] else []
        for turn, (out, into) in enumerate(pairs):
            if before[i : i + len(out)] == list(out) and after[j : j + len(into)] == list(into):
                steps.append((i + len(out), j + len(into), used | 1 << turn))
        waiting += [step for step in steps if step not in seen]
        seen.update(steps)
    return _difference(old, new)


def _difference(old: str, new: Rewriting) -> str:
    """What was wanted and what was done, where these are not the same."""
    wanted = ", ".join(_told(edit) for edit in new.edits)
    done = ", ".join(_told(edit) for edit in edits_between(old, new.caption)) or "nothing"
    return f"other words changed than wanted: wanted {wanted}; changed {done}"


def _told(edit: Edit) -> str:
    if not edit.old:
        return f"{edit.new!r} added"
    return f"{edit.old!r} removed" if not edit.new else f"{edit.old!r} to {edit.new!r}"


def _spelled(text: str) -> list[str]:
    return WORD.findall(text)


def _alike(text: str) -> list[str]:
    """The words as they are compared: in small letters, `a` and `an` as one."""
    return ["a" if word == "an" else word for word in map(straight, _spelled(text))]


def _merged(
    codes: Sequence[tuple[str, int, int, int, int]], words: Sequence[str]
) -> list[tuple[bool, int, int, int, int]]:
    """Stretches that are the same or not; one weak word between two changes belongs to them."""
    merged: list[tuple[bool, int, int, int, int]] = []
    for place, (name, i, j, k, m) in enumerate(codes):
        is_inner = 0 < place < len(codes) - 1
        is_weak = is_inner and j - i == 1 and words[i] in grammar("articles") | grammar("prepositions")
        same = name == "equal" and not is_weak
        if merged and not merged[-1][0] and not same:
            _, first, _, third, _ = merged[-1]
            merged[-1] = (False, first, j, third, m)
        else:
            merged.append((same, i, j, k, m))
    return merged


@cache
def _runs(words: Words) -> tuple[str, ...]:
    """All runs of words within some words, the longest first."""
    sizes = range(len(words), 0, -1)
    return tuple(" ".join(words[start : start + size]) for size in sizes for start in range(len(words) - size + 1))
