"""What commands print as JSON, held to the schemas that operators' scripts rely on."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"


@cache
def validator(name: str) -> Draft202012Validator:
    """Return what holds values to the schema of that name, itself held to JSON Schema's."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def hold(words: Sequence[str], printed: str) -> None:
    """Hold what a command printed to its schema: of its first two words, else of the first."""
    two = "-".join(words[:2])
    name = two if (SCHEMAS / f"{two}.json").is_file() else words[0]
    wrong = best_match(validator(name).iter_errors(json.loads(printed)))
    assert wrong is None, f"{name}: {wrong.json_path}: {wrong.message[:500]}"
