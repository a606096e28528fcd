"""A file is damaged on its way: some lines are no records any more, then a file is no text at all.

    python examples/incidents/corrupted_file.py

Lines that cannot be read go to quarantine, whole, and come back once they are mended. A file that cannot be read at
all stops the run before anything is changed, and the run goes on when the file is there.
"""

from scene import scene

import crewline


def main() -> None:
    with scene("corrupted-file") as retail:
        file = retail.orders / "2025-02.csv"
        whole = file.read_bytes()

        retail.says("The file of February was cut off in the middle of a line, and has a line of noise in it.")
        lines = whole.splitlines(keepends=True)
        lines[40] = b"O-00\x00\x01,\xff\xfe,,,\n"
        file.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
        retail.run()
        damaged = retail.newest_run()
        retail.proves(damaged)
        retail.says("Who left, and why, is on record; what a row was comes back by replay.")
        replayed = crewline.replay(damaged, retail.folder / "again.csv", dataset="orders")
        retail.shows(f"$ crewline replay {damaged} --dataset orders --out again.csv: {replayed.rows} rows")
        retail.story(damaged, "step.committed")

        retail.says("Then the file arrives as something that is no text at all.")
        file.write_bytes(b"\x1f\x8b\x08\x00" + bytes(range(256)) * 40)
        retail.run()

        retail.says("It is sent once more. The same run goes on, and publishes all of it.")
        file.write_bytes(whole)
        run_id = retail.newest_run()
        retail.resume(run_id)
        retail.story(run_id, "run.", "source.")
        retail.proves(run_id)


if __name__ == "__main__":
    main()
