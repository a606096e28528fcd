"""A source comes late: it is not there when the run begins, then it is; and another changes while the run is at work.

    python examples/incidents/late_source.py

What is missing is told before work begins, and nothing is changed. When it has come, the same run goes on. A file that
is sent once more by then is read as it is now, where it is clear what its columns are; that is on record, and why.
"""

from pathlib import Path

from scene import scene


def main() -> None:
    with scene("late-source") as retail:
        products = retail.folder / "data" / "products.jsonl"
        away = products.rename(retail.folder / "products.late")

        retail.says("The run begins on time. The products do not.")
        retail.run()
        run_id = retail.newest_run()

        retail.says(
            "An hour later they are there. While the run is at work, February is sent once more, from a new program."
        )
        away.rename(products)
        retail.resume(run_id, meanwhile=lambda: sent_once_more(retail.orders / "2025-02.csv"))
        retail.story(run_id, "run.", "source.", "replan.")
        retail.proves(run_id)


def sent_once_more(file: Path) -> None:
    """The new program calls a column otherwise. Files are bytes here, faults and all."""
    header, _, rows = file.read_bytes().partition(b"\n")
    file.write_bytes(header.replace(b"customer_id", b"CustomerID") + b"\n" + rows)


if __name__ == "__main__":
    main()
