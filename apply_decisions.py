"""Write a corrected copy of a data set with your decisions on the review page.

    python apply_decisions.py --dataset photos/ --decisions decisions.csv --output corrected/
    python apply_decisions.py --dataset photos.csv --decisions decisions.csv --output corrected.csv

Relabelled images get their new label and dropped ones are left out. All others keep their label.
The data set itself does not change. --link writes hard links instead of copies.

A folder has one subfolder per class, in train/ and test/ if the data set has both, and metadata.csv
with the columns file_name, label and source. FiftyOne and Hugging Face's imagefolder read it. A CSV
has the columns of the data set's CSV, or file_name, label and split for a folder.
"""

import noisylabels.system.check_requirements  # noqa: F401 # isort: skip
from argparse import Namespace
from pathlib import Path

from noisylabels import cli
from noisylabels.pipeline.corrected_copy import (
    check_paths,
    correct,
    count_changes,
    write_folder,
    write_table,
)


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(__doc__)
    add = parser.add_argument
    add(
        "--dataset",
        type=Path,
        required=True,
        metavar="PATH",
        help="the reviewed images: a folder with one subfolder per class, or a .csv",
    )
    add("--decisions", type=Path, required=True, help="decisions.csv, from review.html")
    add(
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="the corrected copy, a .csv or a folder; it must not exist yet",
    )
    add(
        "--link",
        action="store_true",
        help="create hard links instead of copies; they need no space, but must be on the same "
        "disk",
    )
    add(
        "--noisy_labels",
        metavar="FILE[#KEY]",
        help="file with the observed labels that were reviewed, as for INCV.py",
    )
    add("--image_column", help="column of a .csv that names the files, as for INCV.py")
    add("--label_column", help="column of a .csv that holds the labels, as for INCV.py")
    return parser


def run(args: Namespace) -> None:
    """Write the corrected copy and print what changed."""
    check_paths(args.dataset, args.output, args.link)
    corrected = correct(
        args.dataset,
        args.decisions,
        noisy_labels=args.noisy_labels,
        image_column=args.image_column,
        label_column=args.label_column,
    )
    n = int(corrected.is_kept.sum())
    if args.output.suffix.lower() == ".csv":
        write_table(corrected, args.output)
        written = f"{n:,} rows"
    else:
        renamed = write_folder(corrected, args.output, args.link)
        written = f"{n:,} {'hard links' if args.link else 'copies'} and metadata.csv"
        if renamed:
            written += f"; renamed, because another image has the name: {renamed:,}"
    print(corrected.decisions)
    print("", count_changes(corrected).to_string(index=False), "", sep="\n")
    print(f"wrote {args.output}: {written}")


def main(argv: list[str] | None = None) -> None:
    """Run the script."""
    cli.main(build_parser(), run, argv, stopped="nothing is written")


if __name__ == "__main__":
    main()
