"""Extension of the site's docstring parser: it shows `Call arguments:` as a table.

Keras documents the arguments of a layer's call in the class's docstring, under that title. The
parser does not know the title and would run the arguments together in one paragraph.
"""

from typing import Any

import griffe


class CallArguments(griffe.Extension):
    """`Call arguments:` under a title that the parser knows."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rename the section before the docstring is parsed."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace(
                "\nCall arguments:", "\nOther Parameters: Call arguments:"
            )
