"""A source comes late: it is not there when the run begins, then it is.

    python examples/incidents/late_source.py

What is missing is told before work begins, and nothing is changed. When it has come, the same run goes on.
"""

from scene import scene


def main() -> None:
    with scene("late-source") as retail:
        products = retail.folder / "data" / "products.jsonl"
        away = products.rename(retail.folder / "products.late")

        retail.says("The run begins on time. The products do not.")
        retail.run()
        run_id = retail.newest_run()

        retail.says("An hour later they are there.")
        away.rename(products)
        retail.resume(run_id)
        retail.story(run_id, "run.", "source.", "replan.")
        retail.proves(run_id)


if __name__ == "__main__":
    main()
