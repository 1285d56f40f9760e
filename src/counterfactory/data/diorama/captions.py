"""Says what a scene shows, in many ways and always truly."""

from collections.abc import Mapping

from counterfactory.data.diorama.dice import Dice
from counterfactory.data.diorama.world import Scene, written

Words = Mapping[str, tuple[str, ...]]  # the first is the plainest

NOUNS: Words = {
    "car": ("car", "car", "automobile"),
    "bus": ("bus",),
    "house": ("house", "house", "home"),
    "tree": ("tree",),
    "boat": ("boat", "boat", "vessel"),
    "dog": ("dog", "dog", "hound"),
    "cat": ("cat", "cat", "kitty"),
    "cup": ("cup", "cup", "mug"),
    "chair": ("chair", "chair", "seat"),
    "plane": ("plane", "plane", "airplane", "aeroplane"),
    "windmill": ("windmill",),
}
COLOUR_WORDS: Words = {
    "red": ("red", "red", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green",),
    "blue": ("blue",),
    "purple": ("purple", "purple", "violet"),
    "white": ("white",),
    "black": ("black",),
}
SURFACE_WORDS: Words = {
    "road": ("on a road", "on the road", "on the street", "on asphalt", "on a paved road"),
    "grass": ("on grass", "on the grass", "in a meadow", "in a grassy field", "on the lawn"),
    "sand": ("on sand", "on the sand", "on sandy ground", "on rippled sand", "on a sandy plain"),
    "water": ("on water", "on the water", "on open water", "on the waves", "on a stretch of water"),
    "snowfield": ("on a snowfield", "on snowy ground", "in a field of snow", "on snow-covered land"),
    "room": ("in a room", "indoors", "inside a room", "on the floor of a room", "in a room with a window"),
}
WEATHER_WORDS: Words = {
    "clear": ("in clear weather", "under a clear sky", "in fine weather"),
    "rain": ("in the rain", "in rainy weather", "while it is raining", "as rain falls"),
    "snow": ("in falling snow", "in a snowfall", "while it is snowing", "as snow falls"),
    "fog": ("in fog", "in foggy weather", "in the mist", "in thick fog"),
}
TIME_WORDS: Words = {
    "day": ("by day", "at daytime", "during the day", "in daylight"),
    "dusk": ("at dusk", "at sunset", "in the evening", "at twilight"),
    "night": ("at night", "at nighttime", "after dark", "by night"),
}
OPENINGS = ("", "a photo of ", "a picture of ", "an image of ", "a scene with ", "a view of ")
SUBJECTS = ("{colour} {noun}", "{colour} {noun}", "{colour}-coloured {noun}", "{noun} that is {colour}")
UNSAID = ("clear", "day")  # what a person takes for granted


def caption(scene: Scene, n: int = 0) -> str:
    """The n-th wording for a scene; number 0 is the plain and complete one."""
    return _plain(scene) if n == 0 else _worded(scene, Dice(f"caption {n} of {written(scene)}"))


def _plain(scene: Scene) -> str:
    subject = _with_article(f"{scene.colour} {NOUNS[scene.kind][0]}")
    return " ".join([subject, *(words[0] for words in _surroundings(scene))])


def _worded(scene: Scene, dice: Dice) -> str:
    """Any opening, word and order; what goes without saying may stay unsaid."""
    subject = dice.pick(SUBJECTS).format(
        colour=dice.pick(COLOUR_WORDS[scene.colour]), noun=dice.pick(NOUNS[scene.kind])
    )
    opening = dice.pick(OPENINGS)
    said = [dice.pick(words) for words in _surroundings(scene, without=UNSAID if dice.pick((True, False)) else ())]
    around = dice.shuffled(said) if dice.pick((True, False, False)) else said
    return " ".join([opening + _with_article(subject), *around])


def _surroundings(scene: Scene, without: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words for surface, weather and time that may be said; in a room no weather is seen."""
    around = [SURFACE_WORDS[scene.surface]]
    if scene.surface != "room" and scene.weather not in without:
        around.append(WEATHER_WORDS[scene.weather])
    if scene.time not in without:
        around.append(TIME_WORDS[scene.time])
    return around


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
