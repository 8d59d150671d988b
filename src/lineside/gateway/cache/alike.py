"""Questions that differ in their last words alone, and what in those words must be the same.

Word vectors hear what a text is about and little more: to them "cancel my order 17" and "do not
cancel my order 18" are as good as one. So everything that tells such questions apart and can be
read off the letters is compared exactly: it goes into the digest of what is asked beside the words,
and questions with another digest are never held against each other.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from lineside.gateway.canonical.parts import TextPart
from lineside.gateway.canonical.request import ModelRequest

if TYPE_CHECKING:
    from lineside.gateway.reading import Floats

CHARACTERS_MAX = 600
"""Longest message that may be like another: the mean of many words is near every other mean."""

WORDS_MIN = 3
"""A message of fewer words says too little to be like another."""


def _listed(text: str) -> frozenset[str]:
    """The words of a list that is written as lines of words."""
    return frozenset(text.split())


# Their wires keep tools, sounds and the like under these names; such a call is never alike.
_NO_PLAIN_WORDS = _listed(
    """
    audio container context_management conversation function_call functions mcp_servers modalities
    prediction previous_response_id prompt web_search_options
    """
)
_SENTENCES = re.compile(r"(?<=[.!?;:\n])\s+|^\s*[-*•>]*\s*", re.MULTILINE)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
# Whatever has a digit, with the signs that hold numbers, dates, versions and codes together.
_FIGURE = re.compile(r"[-+±<>=~]?\w*\d(?:[\w.,:/%°-]*[\w%°])?")
_MARKED = re.compile(
    r"\"[^\"\n]*\"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|‘[^’\n]*’|`[^`\n]*`|(?<!\w)'[^'\n]+'(?!\w)"
    r"|https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?<!\w)[@#][\w-]+"
    r"|(?:[\w.~-]*[/\\])+[\w.-]*|\w*_\w+|\[[^\]\n]*\]|<[^>\n]*>|\{[^}\n]*\}|[$€£¥₹₽%&=<>^*+/\\|]"
)
# Words that turn a question into another one, in English and German: they deny, ask, count, date,
# allow, name another person, point a way, or have an opposite.
_TELLING = _listed(
    """
    no not never none nobody nothing neither nor nowhere without except unless instead only again
    anymore other another different kein keine keinen keinem keiner keines nicht nichts nie niemals
    niemand ohne weder noch außer statt nur wieder anders
    what which who whom whose when where why how many much long often far was welche welcher welches
    wer wem wen wann wo warum wieso wie wohin woher viel viele oft lange
    zero one two three four five six seven eight nine ten eleven twelve twenty thirty fifty hundred
    thousand million billion half quarter double triple first second third last next previous once
    twice both all every any few null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf
    hundert tausend halb erste zweite dritte letzte nächste beide alle jede jeder jedes
    today tomorrow yesterday tonight now early late morning noon evening night minute hour day week
    weekend month year daily weekly monthly yearly heute morgen gestern jetzt tag woche monat jahr
    monday tuesday wednesday thursday friday saturday sunday january february march april may june
    july august september october november december montag dienstag mittwoch donnerstag freitag
    samstag sonntag januar februar märz mai juni juli oktober dezember
    must should might allow deny forbid muss soll darf verboten erlaubt
    he him his she her they them their er ihn ihm sein sie
    from into onto before after since until over under above below between through off down back
    left right top bottom inside outside vor nach seit bis über unter zwischen links rechts
    more less most least fewer best worst better worse high low maximum minimum max min increase
    decrease raise reduce enable disable activate deactivate add remove delete create open close
    start stop begin end send receive buy sell pay lend borrow deposit withdraw lock unlock block
    unblock accept reject decline approve import export upload download install uninstall join leave
    push pull win lose lost find found cancel safe unsafe dangerous legal illegal true false good
    bad old new big small short fast slow cheap expensive free hot cold full empty easy hard male
    female husband wife man woman positive negative public private encrypt decrypt
    """
)
_NOT = _listed("cannot cant dont wont doesnt didnt isnt arent wasnt havent hasnt couldnt")
_POLITE = _listed("please kindly thank thanks hi hello hey dear bitte danke hallo guten")
_NEAR = 0.6  # cosine of two words from which one may stand for the other: `buy` and `purchase`
_ENDINGS = ("'s", "’s", "ing", "ed", "es", "s")


@dataclass(frozen=True)
class Question:
    """The last words of a call, to be held against those of others.

    Attributes:
        alike: Digest of everything else, and of what in the words must be the same.
    """

    alike: str
    words: str

    @property
    def vector(self) -> "Floats":
        """What the words are about, of length one."""
        from lineside.gateway.reading import clean, word_vectors

        return word_vectors().mean(clean(self.words))

    def row(self) -> dict[str, Any]:
        """As it is kept."""
        vector = self.vector.astype("float16").tobytes()
        return {"alike": self.alike, "words": self.words, "vector": vector}


def question_of(request: ModelRequest, not_asked: set[str]) -> Question | None:
    """The question of a call whose answer may serve for one like it; nothing where none may.

    None may where tools are offered, where anything but words is in the conversation, where what is
    asked last is not the user's, is very short or is long.

    Args:
        not_asked: Fields of a request that say nothing about what is asked.
    """
    last = request.turns[-1] if request.turns else None
    if last is None or last.role != "user" or len(last.parts) != 1:
        return None
    if request.tools or request.tool_choice or not _NO_PLAIN_WORDS.isdisjoint(request.extras):
        return None
    spoken = [part for turn in request.all_turns for part in turn.parts]
    if not all(isinstance(part, TextPart) and not part.is_refusal for part in spoken):
        return None
    if not _says_enough(last.text):
        return None
    asked = request.model_dump(mode="json", exclude=not_asked)
    asked["turns"][-1]["parts"][0]["text"] = ""
    return _question(last.text, asked)


def question_beside(words: str, beside: object) -> Question | None:
    """The question of a call that is asked in one text; nothing where it is very short or is long.

    Args:
        beside: Everything else about the call; questions are like each other only where it is the
            same.
    """
    return _question(words, beside) if _says_enough(words) else None


def _says_enough(words: str) -> bool:
    return len(words) <= CHARACTERS_MAX and len(_WORD.findall(words)) >= WORDS_MIN


def _question(words: str, beside: object) -> Question:
    return Question(_digest([beside, telling(words), _fingerprint()]), words)


def telling(text: str) -> list[list[str]]:
    """What of a text must be the same in another for both to be one question.

    Figures with their signs; quotes, addresses, code and symbols; names, as far as capitals show
    them, each in its order; words that deny, ask, count, date, allow or turn a
    direction; and words too rare for the vectors to know, such as names in small letters and slips
    of the pen.
    """
    from lineside.gateway.reading import clean

    text = clean(text)
    small = [word.casefold().replace("’", "'") for word in _WORD.findall(text)]
    return [
        _FIGURE.findall(text.casefold()),
        _MARKED.findall(text),
        _names(text),
        sorted(told for word in small if (told := _told(word))),
        sorted(set(filter(_is_rare, small))),
    ]


def says_the_same(first: str, second: str) -> bool:
    """Whether two texts that are near as a whole are so word by word.

    The words they share must stand in one order, which is nothing to vectors. Each word that only
    one has must be near one that only the other has: in a long text one word is a small part of the
    mean, and may be all that matters.
    """
    from lineside.gateway.quoting import terms_of

    one, other = (
        [term for term in terms_of(text) if term not in _POLITE] for text in (first, second)
    )
    shared = set(one) & set(other)
    if [term for term in one if term in shared] != [term for term in other if term in shared]:
        return False
    return _are_near(set(one), set(other))


def _are_near(one: set[str], other: set[str]) -> bool:
    import numpy as np

    from lineside.gateway.reading import word_vectors

    only_one, only_other = sorted(one - other), sorted(other - one)
    if not only_one or not only_other:
        return only_one == only_other
    mean = word_vectors().mean
    near = np.stack(list(map(mean, only_one))) @ np.stack(list(map(mean, only_other))).T
    return bool(near.max(axis=0).min() >= _NEAR and near.max(axis=1).min() >= _NEAR)


def _told(word: str) -> str | None:
    """The word in one form where it is a telling one."""
    if word.endswith("n't") or word in _NOT:
        return "not"
    if word in _TELLING:
        return word
    for ending in _ENDINGS:
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            for form in (stem, f"{stem}e", stem[:-1]):
                if form in _TELLING:
                    return form
    return None


def _names(text: str) -> list[str]:
    """Words with a capital where no sentence begins, or with one inside."""
    found = []
    for sentence in _SENTENCES.split(text):
        for at, word in enumerate(_WORD.findall(sentence)):
            has_inner = any(sign.isupper() for sign in word[1:])
            if has_inner or (at and word[0].isupper() and word.split("'")[0] != "I"):
                found.append(word)
    return found


def _is_rare(word: str) -> bool:
    from lineside.gateway.reading import word_vectors

    if word in _TELLING or "'" in word:
        return False
    return len(word_vectors().tokenizer.encode(word, add_special_tokens=False).ids) > 1


def _fingerprint() -> str:
    from lineside.gateway.reading import word_vectors

    return word_vectors().fingerprint


def _digest(asked: Sequence[object]) -> str:
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
