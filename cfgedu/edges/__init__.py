"""The checks of arguments at the edges of the course: require_..., one function an argument.

A sentence for each mistake names the argument, what came and what was expected. What passes is returned where the
caller needs it in another form. The formulas of the method stand elsewhere, free of checks. Whether a learner's answer
is right is another matter: see `checks`.
"""

from cfgedu.edges.data import (
    as_pair,
    require_classes,
    require_columns,
    require_data,
    require_dtype,
    require_finite,
    require_finite_scale,
    require_integers,
    require_interval_of_times,
    require_labels,
    require_one_point,
    require_same_shape,
    require_scale,
    scale_for,
)
from cfgedu.edges.tables import (
    require_level,
    require_mixture,
    require_table,
    require_times,
)
from cfgedu.edges.values import (
    in_words,
    is_integer,
    is_number,
    kind,
    reading_values,
    require_between,
    require_choice,
    require_count,
    require_drop,
    require_eta,
    require_interval,
    require_sizes,
    shape,
    span,
)

__all__ = [
    "as_pair",
    "in_words",
    "is_integer",
    "is_number",
    "kind",
    "reading_values",
    "require_between",
    "require_choice",
    "require_classes",
    "require_columns",
    "require_count",
    "require_data",
    "require_drop",
    "require_dtype",
    "require_eta",
    "require_finite",
    "require_finite_scale",
    "require_integers",
    "require_interval",
    "require_interval_of_times",
    "require_labels",
    "require_level",
    "require_mixture",
    "require_one_point",
    "require_same_shape",
    "require_scale",
    "require_sizes",
    "require_table",
    "require_times",
    "scale_for",
    "shape",
    "span",
]
