"""How a model that can be talked to is asked for a caption."""

INSTRUCTION = (
    "Say what this photograph shows, as a caption of one plain sentence of at most 25 words: the main thing, its "
    "colour or material, where it is, and weather, time of day or light where they can be seen. Name only what you "
    "see, guess nothing, and do not begin with words such as 'The image shows'."
)


def instruction(captions: int) -> str:
    """The question for one caption, or for several that differ."""
    more = f" Write {captions} such captions, each in other words or with other details." if captions > 1 else ""
    return INSTRUCTION + more
