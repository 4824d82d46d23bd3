"""Words that fill the slots of a template, their synonyms, and what would be mistaken for them."""

from __future__ import annotations

import re
from functools import cache

from musicavqa.questions import INSTRUMENTS, SLOTS

# What stands for a first and for every further mention of a kind.
MASKS = {
    "Object": ("violin", "flute"),
    "Other": ("harp", "harp"),
    "LR": ("left", "right"),
    "LRer": ("leftmost", "rightmost"),
    "TH": ("first", "last"),
    "LL": ("loudest", "loudest"),
    "BA": ("after", "after"),
}
# Kinds of words that can fill a slot, the usual one first.
KINDS = {
    "Object": ("Object",),
    "LR": ("LR", "LRer"),
    "LRer": ("LRer", "LR"),
    "FL": ("TH",),
    "LL": ("LL",),
    "TH": ("TH",),
    "BA": ("BA",),
}
CROSS = {
    ("LR", "LRer"): {"left": "leftest", "right": "rightest"},
    ("LRer", "LR"): {"leftest": "left", "rightest": "right"},
}
EXAMPLES = {"Object": ("violin", "flute"), "LR": ("left", "right")}

# Words that would be mistaken for slots.
_PLACE = r"(?:in |on |at |to )?(?:the )?(?:left|right|middle|center|centre)"
_COMPARED = (
    r"(?:loud|quiet|soft|faint|nois|long|short)i?er|(?:loud|quiet|soft)ly|rhythmic(?:al(?:ly)?)?"
    r"|rhythm|volume"
)
_FIGURE = "(?:man|woman|guy|lady|girl|boy|fellow|bloke|chap|dude|gentleman|person)"
REWORDINGS = (
    (
        rf"\b{_FIGURE}(?= (?:on|at|to|in) (?:the )?(?:far |extreme )?(?:left|right|middle))",
        "player",
    ),
    (rf"\b({_COMPARED}) then(?= \w)", r"\1 than"),
    (r"\b(?:is|gets|are) followed by\b", "plays before"),
    (r"\b(?:is|gets|are) preceded by\b", "plays after"),
    (r"\bfollows\b", "plays after"),
    (r"\bprecedes\b", "plays before"),
    (rf"\b{_PLACE},? (?:{_PLACE},? )?or {_PLACE}\b(?! \w)", "where"),
    (
        r"\bfrom (?:the |its )?first(?: second| moment| note)? (?:up )?to the last"
        r"(?: second| moment| note)?\b",
        "throughout",
    ),
    (r"\blasts? (longer|shorter)", r"play \1"),
    (r"\b(?:right now|all right)\b", "now"),
    (r"\bright (after|before)\b", r"\1"),
    (r"\b(left|right)[- ]handed\b", "handed"),
    (r"\b(?:lowest|least|smallest) (?:in )?(?:volume|loud)\b", "quietest"),
    (r"\b(?:highest|greatest|most) (?:in )?(?:volume|loud)\b", "loudest"),
    (r"\b(?:loudest|quietest|softest) and (?:loudest|quietest|softest)\b", "extremes"),
)
# Comparisons the other way round.
REVERSALS = (
    (r"^(?:when )?(?:set )?(?:compared (?:to|with)|against) (?=[^,]*,)", "than "),
    (
        r"\b(?:quieter|softer|fainter|less loud(?:ly)?|more (?:quietly|softly|faintly))"
        r"(?= (?:\w+ ){0,6}?(?:than|compared))",
        "louder",
    ),
    (r"\bless rhythmic(?:al|ally)?\b", "more rhythmic"),
    (r"\bshorter(?= (?:\w+ ){0,4}?than)", "longer"),
    (r"\bless long\b", "longer"),
)

_SYNONYMS = {
    "Object": {
        "accordion": "squeezebox|accordionist|piano accordion|accordian",
        "acoustic_guitar": "guitar|classical guitar|guitarist|spanish guitar",
        "bagpipe": "bagpiper|pipes",
        "banjo": "banjoist",
        "bassoon": "bassoonist",
        "cello": "cellist|violoncello",
        "clarinet": "clarinetist|clarinettist",
        "congas": "conga|conga drum|tumbadora",
        "drum": "drum kit|drum set|drumkit|drummer|drumset",
        "electric_bass": "bass|bass guitar|bassist|electric bass guitar",
        "erhu": "chinese violin|chinese fiddle",
        "flute": "flutist|flautist",
        "guzheng": "zheng|chinese zither|gu zheng",
        "piano": "pianist|grand piano|upright piano",
        "pipa": "chinese lute",
        "saxophone": "sax|saxes|saxophonist|alto sax|tenor sax|alto saxophone|tenor saxophone",
        "suona": "chinese oboe",
        "trumpet": "trumpeter",
        "tuba": "tubist",
        "ukulele": "uke|ukelele",
        "violin": "fiddle|violinist|fiddler",
        "xylophone": "xylophonist",
    },
    "Other": {
        "other": "harp|trombone|oboe|viola|organ|french horn|horn|harmonica|mandolin|marimba"
        "|tambourine|triangle|double bass|sitar|synthesizer|synth|keyboard|piccolo|recorder|lute"
        "|cymbal|timpani|vibraphone|glockenspiel|castanets|maracas|electric guitar|theremin|lyre"
        "|cornet|dulcimer|didgeridoo|kazoo|bongos|singer|vocalist|bass clarinet|bass drum",
    },
    "LR": {"middle": "center|centre"},
    "LRer": {
        "leftest": "leftmost|left most|left-most|far left|furthest left|farthest left"
        "|furthest to the left|farthest to the left|extreme left|most left",
        "rightest": "rightmost|right most|right-most|far right|furthest right|farthest right"
        "|furthest to the right|farthest to the right|extreme right|most right",
    },
    "TH": {
        "first": "1st|earliest|initial|initially",
        "second": "2nd",
        "third": "3rd",
        "fourth": "4th",
        "fifth": "5th",
        "last": "final|finally|latest",
    },
    "LL": {
        "loudest": "most loudly|noisiest|strongest sounding",
        "lowest": "quietest|softest|faintest|least loudly|least loud",
    },
    "BA": {
        "before": "prior to|earlier than|preceding",
        "after": "following|later than|subsequent to|once",
    },
}


def _words() -> dict[str, tuple[str, str]]:
    """Every word or phrase, lower case, to its kind and slot value."""
    canonical = {
        "Object": INSTRUMENTS, "LR": SLOTS["LR"], "LRer": SLOTS["LRer"],
        "TH": (*SLOTS["TH"], "last"), "LL": SLOTS["LL"], "BA": SLOTS["BA"],
    }  # fmt: skip
    words = {
        value.replace("_", " "): (kind, value)
        for kind, values in canonical.items()
        for value in values
    }
    for kind, synonyms in _SYNONYMS.items():
        for value, phrases in synonyms.items():
            words |= {phrase: (kind, value) for phrase in phrases.split("|")}
    words |= {f"{w} player": v for w, v in words.items() if v[0] in ("Object", "Other")}
    plurals = {f"{w}s": v for w, v in words.items() if v[0] in ("Object", "Other") and w[-1] != "s"}
    return plurals | words


def _any_of(*kinds: str) -> str:
    """A pattern of every word or phrase of these kinds, the longest first."""
    phrases = sorted((w for w, (kind, _) in WORDS.items() if kind in kinds), key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, phrases))})"


WORDS = _words()
_NAME = rf"\b{_any_of('Object')}\b"
_OTHERS = rf"(?:(?!{_NAME}).)*"
_MUSIC = "(?:piece|music|song|tune|performance|concert|video|clip|recording)"

# Words that are left out where they can be told from the rest of the question.
LEFT_OUT = (
    # 'Is the sax on the left louder than the one on the right?'
    (
        rf"^({_OTHERS})({_NAME})({_OTHERS}\bthan (?:the |that )?(?:{_any_of('LR')} )?)one\b"
        rf"(?!.*{_NAME})",
        r"\1\2\3\2",
    ),
    # 'Which instrument starts?': who starts is the first, unless another order is spoken of.
    (
        rf"^(?!.*\b{_any_of('TH', 'BA')}\b)(?!.*\b(?:it|sound|{_MUSIC}) (?:start|beg[ai]n))(.*)"
        rf"\b(start(?:s|ed)?|begins?|began)(?= *[?.!]*$| (?:the |this ){_MUSIC}| off\b"
        r"| to play\b| playing\b)",
        r"\1\2 first",
    ),
)
"""Pattern and replacement, after REWORDINGS."""
PICKED = re.compile(rf"\b(?:which|what)(?: one)?(?: of the(?: two| three| four)?)?(?= {_NAME})")
"""'Which violin', where one of several equal instruments is asked for."""


@cache
def mentions() -> re.Pattern[str]:
    phrases = sorted(WORDS, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))})\b")
