import pytest

from maskdepth_tf import errors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[1mBad\x1b[0m size.\n\n  Why ", "Bad size. Why"),
        ("", "ValueError"),
        ("x" * 300, "x" * 200),
    ],
)
def test_errors_of_other_packages_in_one_line(text, expected):
    assert errors.in_one_line(ValueError(text)) == expected
