"""The handwritten digits of the package, made from the copy that comes with scikit-learn.

``python -m tests.digits`` writes the file again.
"""

import gzip
from pathlib import Path

from sklearn.datasets import load_digits

FILE = Path(__file__).parents[1] / "tinygrad_edu" / "train" / "digits.txt.gz"
GRAYS = "0123456789abcdefg"  # digits of base 17
HEADER = """\
# Optical Recognition of Handwritten Digits, test part: 1,797 images of 8 x 8 pixels.
# Source: Alpaydin, E. and Kaynak, C. (1998), Optical Recognition of Handwritten Digits,
#   UCI Machine Learning Repository, https://doi.org/10.24432/C50P49
# License: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/
# One line per image: its pixels, row by row, from 0 (white) to g (16, black), then its class.
# Only this way of writing them is new.
"""


def text():
    """Write each image as a line of 65 letters."""
    raw = load_digits()
    images = (map(int, pixels) for pixels in raw.data.tolist())
    lines = (
        "".join(GRAYS[gray] for gray in image) + f"{digit}\n"
        for image, digit in zip(images, raw.target.tolist(), strict=True)
    )
    return HEADER + "".join(lines)


if __name__ == "__main__":
    FILE.write_bytes(gzip.compress(text().encode("ascii"), mtime=0))  # same text, same bytes
