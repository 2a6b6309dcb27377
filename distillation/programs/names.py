"""Identifiers for generated programs, from two vocabularies that have no word in common.

What a student is tested on is then made of words that it never saw as names.
"""

import hashlib
import keyword
from dataclasses import dataclass, field
from random import Random

from agent.task import Split

_HELD_OUT = 5
"""One word in so many is kept for held-out programs."""
_ONSETS = "b br c ch d dr f fl g gr h j k l m n p pl qu r s sh sk st t tr v w z".split()
_VOWELS = "a e i o u ai ea io oo".split()
_CODAS = ["", "", "", *"b d g k l m n nd p r rt s t x".split()]
_WORDS = """
account age amount angle animal answer apple area arm arrow asset axis bag ball band bank bar base
basket bay bean bear bed bell belt bench berry bid bike bill bin bird bit block board boat body bolt
book boot bottle box branch brand bread brick bridge brush bucket bud budget bug bundle bus cable
cake call camera camp can candle canvas cap car card cargo cart case cat cave cell center chain chair
chart chest child city claim clay client clip clock cloud club coach coal coast coat code coffee coin
color copy corn corner cost couch count course cow craft crane credit crew crop crowd crown cube cup
curve cycle damage dance data date day deal debt deck deer degree delta desk device dice dish disk
distance dog dollar door dose draft drink driver drop drum duck dust duty eagle ear earth edge egg
engine entry error event exam face factor fan farm fee fence field figure film finger fire fish flag
flame flat fleet flight floor flow flower fog food foot forest fork form fox frame freight frog fruit
fuel fund garden gate gauge gear gift girl glass glove goal gold goose grade grain grape graph grass
grid group guest guide hall hammer hand harbor hat hawk heart heat height herb hill hole home honey
hook horn horse host hotel hour house ice image inch income index ink insect iron island item ivory
jacket jar job joint journey judge juice jump jury key king kite knee knife label lake lamp land lane
laptop law layer leaf league lease leg lemon length lens letter level lever lid light limb lime line
link lion list load loan lock log loop loss lot lunch machine mail map march mark mask mass mast mat
match meal medal memo menu meter mile milk mill mine minute mirror mix model money month moon motor
mouse mouth movie music nail name neck needle nest net night node noise north nose note number nut
oak object ocean offer office oil orange orbit order oven owl owner ox pack page pain paint pair palm
pan panel paper park part party patch path peak pear pen pencil person phone photo piano pie piece
pilot pin pipe pitch place plan plane plant plate player plot plug plum point pole pond pool port post
pot power press price print prize profit pulse pump queen quota rabbit race rack radio rail rain rank
rate ratio reach record reef rent report rest result ribbon rice ride ring rise river road robot rock
roof room root rope rose route row ruler sail salad salary sale salt sand scale scene school score
screen screw sea seat second seed segment sensor series shade shape share shark sheep sheet shelf
shell ship shirt shoe shop shore signal silk silver site size skill skin sky slice slope snake snow
soap sock soil song sound soup south space spark speed spice spoon spring square stage stamp star
state station steam steel stem step stick stock stone store storm story stream street string sugar sum
sun surface table tail tank tape target task tax tea team temperature tent term test text ticket tide
tiger tile time tin tip tire title tool tooth torch total tour tower town toy track trade trail train
tray tree trip truck trunk tube tune turn unit user valley value valve van vase vector vessel view
village vine visit voice volume vote wage wagon walk wall watch water wave wax week weight well west
whale wheat wheel width wind window wine wing winter wire wolf wood wool word work worm yard year zebra
acc arr best buf cnt cur elem found idx it lo hi kept left lst num nums other out prev res right ret
seen tmp val vals values words xs ys items result data i j k n m p q s t u v w x y z a b c
""".split()
_TAKEN = frozenset(
    "abs all any append bool dict enumerate float format int join len list map max min pow print "
    "range reversed round set sorted str sum tuple zip sys math os re time test code string "
    "random token types copy select signal queue struct calendar statistics operator this".split()
)


def _free(word: str) -> bool:
    return not keyword.iskeyword(word) and word not in _TAKEN


def split_of_word(word: str) -> Split:
    """Which programs may use this word in their names."""
    point = hashlib.sha256(f"word {word}".encode()).digest()[0]
    return "heldout" if point % _HELD_OUT == 0 else "train"


_KNOWN: dict[Split, list[str]] = {
    split: sorted({w for w in _WORDS if _free(w) and split_of_word(w) == split})
    for split in ("train", "heldout")
}


@dataclass
class Names:
    """Draws identifiers for one program; none is given out twice."""

    random: Random
    split: Split
    used: set[str] = field(default_factory=set[str])

    def word(self) -> str:
        """One word: known, or made of syllables."""
        if self.random.random() < 0.65:
            return self.random.choice(_KNOWN[self.split])
        while True:
            word = "".join(self._syllable() for _ in range(self.random.choice((1, 2, 2, 3))))
            if 2 < len(word) < 10 and _free(word) and split_of_word(word) == self.split:
                return word

    def variable(self) -> str:
        """A name for a variable or a parameter: mostly one word, which may be short."""
        return self._fresh((0.85, 0.15))

    def function(self) -> str:
        """A name for a function or a module."""
        return self._fresh((0.3, 0.6, 0.1))

    def _fresh(self, weights: tuple[float, ...]) -> str:
        while True:
            count = self.random.choices(range(1, len(weights) + 1), weights)[0]
            name = "_".join(self.word() for _ in range(count))
            if name not in self.used and _free(name):
                self.used.add(name)
                return name

    def _syllable(self) -> str:
        pick = self.random.choice
        return pick(_ONSETS) + pick(_VOWELS) + pick(_CODAS)
