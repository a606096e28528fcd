"""A source's columns change: one is only called otherwise, then one is gone.

    python examples/incidents/changed_schema.py

Voters judge the change. What is only called otherwise is mapped; what breaks the pipeline waits for a person.
"""

from pathlib import Path

from scene import scene

import crewline


def main() -> None:
    with scene("changed-schema") as retail:
        retail.change("    path: data/orders/*.csv\n", "    path: data/orders/*.csv\n    on_schema_change: consensus\n")
        retail.says("The first run finds the columns as they were declared.")
        retail.run()

        retail.says("In the next delivery, customer_id is called CustomerID.")
        for file in retail.orders.glob("*.csv"):
            rename(file, "customer_id", "CustomerID")
        retail.run()
        run_id = retail.newest_run()
        retail.story(run_id, "consensus.", "source.")
        retail.proves(run_id)

        retail.says("Then unit_price is gone from one file, and nobody knows what took its place.")
        rename(retail.orders / "2025-03.csv", "unit_price", "gross")
        retail.run()
        run_id = retail.newest_run()
        request = retail.request(run_id)
        retail.says(f"The run waits for a person: {request.subject}. Ada looks, and says no.")
        crewline.deny(request.approval, by="Ada", reason="gross has taxes in it")
        retail.resume(run_id)

        retail.says("The supplier sends the file once more, as it was; the run goes on.")
        rename(retail.orders / "2025-03.csv", "gross", "unit_price")
        retail.resume(run_id)
        retail.story(run_id, "consensus.", "source.", "approval.", "run.")
        retail.proves(run_id)


def rename(file: Path, old: str, new: str) -> None:
    """Call a column otherwise. Files are bytes here: what cannot be read as text is one of their faults."""
    header, _, rows = file.read_bytes().partition(b"\n")
    file.write_bytes(header.replace(old.encode(), new.encode()) + b"\n" + rows)


if __name__ == "__main__":
    main()
