"""Tables of numbers, and the pictures' common ground."""

import numpy as np
import pytest
import torch

from cfgedu.plots import table


def test_a_table_lines_up_words_to_the_left_and_numbers_to_the_right(capsys):
    rows = [("exact", 1, torch.tensor(0.123456), 3), ("learned", np.float32(2.5), None, 40)]
    table(rows, {"model": "", "r": "g", "error": ".4f", "n": ""})
    assert capsys.readouterr().out.splitlines() == [
        "model       r    error    n",
        "exact       1   0.1235    3",
        "learned   2.5            40",
    ]


def test_a_float_has_three_digits_and_what_is_no_number_stays(capsys):
    table(iter([[0.98765, True, "g"], [12345.6, False, "h"]]), ["x", "true", "name"])
    expected = ["x          true    name", "0.988      True    g", "1.23e+04   False   h"]
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [line.split() for line in expected]


def test_a_table_without_rows_is_its_headings(capsys):
    table([], ["r", "accuracy"])
    assert capsys.readouterr().out == "r   accuracy\n"


def test_a_row_of_another_length_is_named():
    with pytest.raises(ValueError, match=r"rows must have one entry for each of the 2 columns, got \(1, 2, 3\)"):
        table([(1, 2), (1, 2, 3)], ["a", "b"])
