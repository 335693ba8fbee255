"""All rows in the order in which they are measured and shown."""

from rows import answers, busy, card, decoding, demo_run, head_recipe, raw_files, startup, training
from rows.record import Row

_ALL = (
    demo_run.ROW,  # first: soon after the demo, because a machine's speed changes within an hour
    training.ROW,
    raw_files.ROW,
    head_recipe.ROW,
    answers.SINGLE,
    answers.FOLDER,
    decoding.ROW,
    startup.APP,
    startup.IMPORTS,
    busy.ROW,
    card.ROW,
)

ROWS: dict[str, Row] = {row.name: row for row in _ALL}
