"""Label issues for review pages."""

import numpy as np
import pandas as pd

from noisylabels.report.read_issues import Issues


def issues_of(given, predicted, classes, **columns):
    """Return issues of the samples n - 1 to 0, worst first; each differing prediction is one."""
    n, names = len(given), np.array(list(classes), dtype=object)
    frame = pd.DataFrame(
        {
            "index": np.arange(n)[::-1],
            "file": [f"{k}.png" for k in range(n)],
            "given_label": names[given],
            "predicted_label": names[predicted],
            "label_score": np.linspace(0, 1, n),
            "is_label_issue": np.not_equal(given, predicted),
            "duplicate_group": -1,
            "duplicate_conflict": False,
        }
        | columns
    )
    return Issues(frame, list(classes))
