"""What the words of a question mean, and for which meanings each of the 33 templates has a place.

A sentence embedding hears what a question is about, but not that something else is asked of it: "Is
the violin broken?" is near to "Is the violin always playing?". So every word must be accounted for.
`meanings` looks each word up, and `place_for` says whether a template has a place for all of them
and misses none that it needs. A word that is not below (broken, melody, why, two, red) has a place
in no template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

MENTION = "\N{BULLET}"
"""Stands where an instrument, a position or an order word was found."""

# Words that any question may have: small words, courtesy, and the setting that all are about.
_ANYWHERE = """
a an the this that these those it its they them their there here i me we us you my our your one ones
is am are was were be been being do does did done has have had having can could would will may might
must of in on at by to into with as and both each over during up out if whether please tell going
for get got say kindly hi hello hey thanks thank ok okay so just really actually any some all also
too such let know among able 's 'd 'm 're u ur pls possible video clip recording recorded film
footage movie excerpt music musical piece song performance concert
"""

# Meaning -> words, to which -s, -es, -ed, -d and -ing are put, unless they end with a mark. A word
# may have several meanings.
_WORDS = {
    "which": "which what name identify whatever",
    "tell": "tell",
    "where": "where whereabouts",
    "count": "howmany number count total altogether amount",
    "sound": "sound noise play perform active notice catch",
    "hear": "hear heard audible audibly listen listener ear audio soundtrack",
    "make": "make made produce emit create cause come coming originate give given gave giving",
    "see": "see seen show shown visible visually appear look display picture image screen view "
    "viewer eye camera frame onscreen anywhere somewhere find notice catch spot",
    "ever": "ever anywhere somewhere",
    "contain": "contain include present",
    "instrument": "instrument",
    "single": "instrument!",
    "event": "performance concert music record film shot! performer perform play",
    "type": "type kind sort variety varieties different distinct various",
    "loud": "louder loud loudly loudness volume noisier",
    "rhythm": "rhythm rhythmic rhythmical rhythmically beat",
    "part": "part",
    "more": "more higher greater stronger better livelier richer marked pronounced compared than "
    "exceed above against",
    "than": "than compared exceed above against",
    "long": "longer duration long time",
    "while": "throughout whole entire full",
    "always": "always throughout whole entire full continuously constantly permanently",
    "voice": "voice voiceover voice-over narrator narration narrate narrating comment commentary "
    "commentator speak spoken speech speaker talk announcer",
    "someone": "someone somebody anyone anybody person people human",
    "figure": "man woman guy lady girl boy fellow bloke chap dude gentleman men women",
    "who": "whoplays!",
    "pick": "pick!",
    "player": "player musician performer",
    "offscreen": "background offscreen unseen",
    "belong": "match belong fit source together really due stem responsible trace traced agree",
    "from": "from",
    "not": "not never no without n't",
    "silent": "silent silence mute stay remain keep kept",
    "side": "side stand stood locate location place position sit sat sitting find found spot "
    "directly hand next beside where",
    "stage": "place setting set location take taking held hold happen indoor outdoor indoors "
    "outdoors inside outside surroundings environment venue scene building or show stage",
    "enter": "come coming came enter entry entries start begin began beginning begun join",
    "stay": "stay go going keep kept last continue carry still on",
    "together": "together simultaneously along alongside while accompany accompanies accompanied "
    "join",
    "other": "other else another",
    "called": "called name",
    "soon": "right immediately just shortly directly",
}  # fmt: skip

# Meanings that a question must have, any one of those between bars, and others that it may have.
_RULES = {
    1: ("sound|hear", "make from instrument contain ever"),
    2: ("count instrument sound|hear", "type while which from contain"),
    3: ("sound|hear", "make someone from instrument contain ever"),
    4: ("loud than|more", "more sound hear make see"),
    5: ("rhythm than|more", "more sound hear part see from"),
    6: ("long sound|hear|stay than|more", "more stay make"),
    7: ("", "see instrument while someone contain ever"),
    8: ("count", "see while which instrument ever"),
    9: ("count instrument type", "see while which ever"),
    10: ("", "see while someone instrument contain ever"),
    11: ("which|tell side|which", "instrument see type from"),
    12: ("which|tell", "instrument side type see sound hear make"),
    13: ("which|tell instrument single", "type see sound hear called make player"),
    14: ("where|stage event|player|stage", "which see side someone type make contain"),
    15: ("always sound|hear", "stay see while make from not"),
    16: ("voice", "someone sound hear offscreen make see from together"),
    17: ("sound|hear instrument", "see make from belong"),
    18: ("count sound instrument|player|someone", "make see which from"),
    19: ("count instrument silent|not silent|sound|hear", "make while always see which from ever"),
    20: ("count sound|hear", "make see which from instrument"),
    21: ("count instrument type sound|hear", "make see which from"),
    22: ("sound|hear|enter", "instrument make from side enter belong player someone figure"),
    23: ("which|tell sound|hear|enter", "instrument side make enter type see from"),
    24: ("where|side instrument|sound|hear|player", "see from which make"),
    25: ("which|tell|who together", "instrument sound hear other type make"),
    26: ("loud than|more", "more sound hear side make see"),
    27: ("rhythm than|more", "more sound hear side part see from"),
    28: ("loud than|more", "more sound hear side instrument player someone figure make see"),
    29: ("rhythm than|more", "more sound hear side instrument player someone figure part see from"),
    30: ("which|tell|who instrument|who sound|hear|enter", "make type"),
    31: ("where|side sound|hear|enter", "instrument side make enter player from which see"),
    32: ("which|tell|pick sound|hear|enter", "make enter instrument from"),
    33: ("which|tell|who sound|hear|enter", "instrument make enter soon type other"),
}  # fmt: skip
# A second way to ask them: by who plays, by match, by what is both heard and seen.
_ALSO = {
    12: ("which|tell instrument|sound player|someone|figure", "side type see make"),
    17: ("sound|hear see belong", "make from"),
    18: ("count hear see instrument|player|someone", "sound make which from"),
}

_SENSES = frozenset({"sound", "hear", "see", "make", "contain", "silent", "while"})
_ENTERS = "(?:start|begin|enter|join|come|play|sound)(?:s|ing|ed)?|began|came|heard"
# What follows where 'who' asks for a person: who played it first, who came to the concert first.
_AN_OBJECT = "it|this|that|these|those|an?|the(?! •)|to(?! (?:play|sound))|from|for"

# Phrases that mean one of the words above, nothing, or (as 'equally') what has no place anywhere.
_PHRASES = (
    (r"\bhow many\b|\bhow large is the (?:number|variety)\b", "howmany"),
    (r"\bis it true that\b", "is"),
    (r"^(?:are|do|did|were|have) all\b", "everybody"),
    (r"^(?:which|what) (?:are (?:all )?the )?(?:musical )?instruments (?:\w+ ){0,4}?"
     r"(?:on|at|to|in) (?:the )?•", "several"),
    (r"^(?:which|what) (?:musical )?instruments (?:\w+ ){0,4}?(?=• (?:the )?•)", "several "),
    (r"^(?:i(?:'d| would) like to know|would you say|do you (?:know|think))(?: if| whether| that)?"
     r"\b", ""),
    (rf"\bwho(?: is|'s|s)?(?= (?:{_ENTERS})\b(?! (?:{_AN_OBJECT})\b)| (?:the )?• (?:one )?to"
     rf" (?:{_ENTERS})\b(?! (?:{_AN_OBJECT})\b))", "whoplays"),
    (r"^(?:what|which(?: one)?)(?= (?:(?:plays?|starts?|begins?|enters?|sounds?) •"
     r"|(?:comes in|is heard) •))", "which instrument"),
    (r"^which(?: is|'s)? the (?=• one to\b)", "which instrument "),
    (r"^where(?: is|'s) the • one\b", "where is the • instrument"),
    (r"^(?:which|what) (?:musical )?(?:instrument|player) (?:on|at) (?:the )?• (?!of\b)(?=.*•)",
     "which of several "),
    (r"^(?:the )?(?=• instrument\b(?!.* than ))", "which "),
    (r"^(?:can|could|may|might|should|would|will)(?= (?:the |an? )?•)"
     r"(?!.*\b(?:hear|heard|see|seen|found|noticed?|traced|make|made|pick(?:ed)?)\b)", "ability"),
    (r"\byou (?:also )?(?:play|perform)\b", "yourself"),
    (r"\bmade (?:out )?of\b", "material"),
    (r"\bon (?:the )?stage\b", "onscreen"),
    (r"\bin terms of\b|\bpart of what\b", ""),
    (r"\bin the order of (?:their )?(?:sounding|playing|entries|entry)\b", "sound"),
    (r"\bvoice[ -]over\b", "voiceover"),
    (r"\bsound track\b", "soundtrack"),
    (r"\boff[ -](?:the )?(?:screen|camera)\b|\boutside the (?:picture|screen)\b", "offscreen"),
    (r"\bopen air\b|\bout of doors\b", "outdoors"),
    (r"\bhow would you (name|call)\b", "name"),
    (r"\b(?:in )?(?:which|what) part of the (?:picture|screen|image|frame)\b", "where"),
    (r"\bwith (?:your |the |closed |shut )*(?:sound|eyes?)(?: off| closed| shut)?(?=,| )", ""),
    (r"\b(?:going|judging|counting) (?:only )?by (?:the )?(\w+)(?: alone| only)?\b", r"\1"),
    (r"\bonly (listen\w*)", r"\1"),
    (r"\bwhen (?:it is )?(?=compared|listening|looking|you (?:listen|look))", ""),
    (r"\bcomes? across(?: as)?\b", "sound"),
    (r"\bas (?:\w+ )?(?:loud|long|rhythmic)\w*", "equally"),
    (r"\b(?:ahead of|tops?) (?=•|the)", "above "),
    (r"\bsense of rhythm\b", "rhythm"),
    (r"\bstands? out more\b", "more"),
    (r"\b(?:takes?|spends?)(?: up)? more time\b", "play longer"),
    (r"\b(?:at|in) (?:the )?(?:same|one) (?:time|moment)\b|\bat once\b|\bin unison\b", "together"),
    (r"\bwhen\b(?=.*\btogether\b)", ""),
    (r"\b(?:from|between) (?:the |its )?(?:very )?(?:start|beginning) (?:up )?(?:to|till|until|and)"
     r" (?:the |its )?(?:very )?(?:end|finish)\b|\bstart to (?:end|finish)\b", "throughout"),
    (r"\b(?:over|for|in|during) (?:the|its) (?:whole |full |entire )?(?:length|course)\b",
     "throughout"),
    (r"\bwhile the (?:video|clip|music) (?:runs|plays|lasts)\b", "throughout"),
    (r"\b(?:all (?:of )?the|the (?:whole|entire|full)|all that) (?:time|while)\b", "always"),
    (r"\bat (?:all times|every (?:moment|second|time))\b|\bnon[ -]?stop\b", "always"),
    (r"\ball (?:the way )?(?:through|along)\b", "constantly"),
    (r"\bin constant use\b", "always sound"),
    (r"\bwithout (?:a |any |ever )?(?:break|pause|interruption|rest|stop|pausing|stopping)s?\b",
     "always"),
    (r"\b(?:never|not ever|n't ever) (?:stop|pause|rest|cease)s?(?: to play| playing)?\b",
     "always sound"),
    (r"\bat (?:all|(?:any|some) (?:time|point|moment))\b", "ever"),
    (r"\b(?:play|sound)(?:s|ing)? with\b", "sound together"),
    (r"\bmakes? (?:themselves|itself) heard\b|\bcomes? through\b", "sound"),
    (r"\bcom(?:e|es|ing) into view\b", "see"),
    (r"\b(?:pick up|make out)\b", "notice"),
    (r"\bof the (?:type|kind|sort) (?=•)", "of "),
    (r"\b(is|does|than|from) what (?!kind|type|sort|instrument|musical)(?=\w)", r"\1 that "),
    (r"(?<!the )\bone (?=•|instrument\b)", "single "),
    (r"\bas well as\b|\bas well(?=\W*$)", "and"),
    (r"\bdrown(s|ing)? out\b", "louder than"),
    (r"n't\b|\bnt\b", " n't"),
)  # fmt: skip
_QUESTION = r"(?:is|are|does|do|did|how|which|what|where|who|when|why|whose)\b"
_RELATIVE = r"(•|\b(?:instrument|player|person|musician|one|guy|man|woman)s?),? (?:which|who)\b"
_TOKEN = re.compile(r"•|'\w+|n't|[^\W_]+(?:-[^\W_]+)*")
_ENDINGS = ("", "s", "es", "ed", "d", "ing")


@dataclass(frozen=True)
class Words:
    """The words of one question, but for small ones and what was found: word -> its meanings."""

    known: dict[str, frozenset[str]]
    unknown: tuple[str, ...]
    """Words that no template has a place for."""

    def have_place(self, number: int) -> bool:
        """Whether template `number` has a place for every word, and needs none that is missing."""
        ways = [_RULES[number], *([_ALSO[number]] if number in _ALSO else [])]
        return not self.unknown and any(self._fit(needs, may) for needs, may in ways)

    def _fit(self, needs: str, may: str) -> bool:
        groups = [set(group.split("|")) for group in needs.split()]
        allowed = set(may.split()).union(*groups)
        said = set().union(*self.known.values())
        bound = (meant for word, meant in self.known.items() if word not in _anywhere())
        return all(meant & allowed for meant in bound) and all(group & said for group in groups)

    @property
    def name_no_sense(self) -> bool:
        """Whether nothing says if it is asked of the sound or of the picture."""
        return not any(meant & _SENSES for meant in self.known.values())


def look_up(plain: str) -> Words:
    """The words of a question in lower case, in which `MENTION` stands for what was found."""
    if asked := re.search(rf"\b{_QUESTION}", plain):  # a later 'which' is no question
        plain = plain[: asked.end()] + re.sub(_RELATIVE, r"\1 that", plain[asked.end() :])
    for pattern, replacement in _PHRASES:
        plain = re.sub(pattern, replacement, plain)
    said = [token for token in _TOKEN.findall(plain) if token != MENTION]
    table = _meanings()
    known = {word: table[word] for word in said if word in table}
    unknown = [word for word in said if word not in table and word not in _anywhere()]
    if re.search(r"•,? or\b|\bor •", plain) and "or" in said:
        unknown.append("or")
    return Words(known, tuple(dict.fromkeys(unknown)))


def questions_in(plain: str) -> list[str]:
    """The questions that a text asks one after the other, or joined by 'and'."""
    joint = rf"[?!.;]+\s+(?=\w)|,?\s+(?:and|or|but|then)\s+(?:also\s+)?(?={_QUESTION})"
    split = re.split(joint, plain.strip().rstrip("?!. "))
    parts = [part for part in split if re.search(rf"\b{_QUESTION}", part)]
    return parts or [plain]


def spelt(text: str, mentions: Iterable[str], is_word: Callable[[str], bool]) -> str:
    """The text with misspelt words put right, where one known word is near.

    `mentions` are the words for instruments and the like; what `is_word` says is a word stays.
    """
    mentions = tuple(mentions)
    names = {word for mention in mentions for word in mention.split()}
    known = {*_meanings(), *names, *_anywhere()}

    def put_right(found: re.Match[str]) -> str:
        word = found[0]
        if word in known or is_word(word):
            return word
        near = get_close_matches(word, [name for name in known if len(name) > 3], 1, 0.8)
        return near[0] if near else word

    return re.sub(r"[a-z]{4,}", put_right, _joined(text, frozenset(mentions)))


def _joined(text: str, mentions: frozenset[str]) -> str:
    """With names that were written as two words in one: 'bag pipe' is 'bagpipe'."""
    pair = r"\b([a-z]{3,})[ -](?=([a-z]{3,})\b)"
    return re.sub(pair, lambda two: two[1] if two[1] + two[2] in mentions else two[0], text)


@cache
def _anywhere() -> frozenset[str]:
    return frozenset(_ANYWHERE.split())


@cache
def _meanings() -> dict[str, frozenset[str]]:
    """Every word with its endings, and all that it may mean."""
    table: dict[str, set[str]] = {}
    for meaning, words in _WORDS.items():
        for word in words.split():
            forms = {word + end for end in _ENDINGS} if word[-1] != "!" else {word[:-1]}
            forms |= {word[:-1] + "ing"} if word.endswith("e") else set()
            for form in forms:
                table.setdefault(form, set()).add(meaning)
    return {form: frozenset(meant) for form, meant in table.items()}
