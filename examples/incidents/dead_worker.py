"""A worker dies: the process that works on a run is killed in the middle of it.

    python examples/incidents/dead_worker.py

What it had finished stands, and what it was at is done again by whoever resumes the run. The result is the same, byte
for byte.
"""

import hashlib
import subprocess
import sys

from scene import Scene, scene


def main() -> None:
    with scene("dead-worker") as retail:
        retail.says("First the pipeline is run in peace, to know what it should come to.")
        retail.run()
        undisturbed = published(retail)

        retail.says("Then it is run by a process that is killed, without warning, while it validates.")
        killed_while(retail, "validation/")
        run_id = retail.newest_run()

        retail.says("Somebody resumes the run.")
        retail.resume(run_id)
        events = retail.story(run_id, "run.", "step.committed")
        committed = [event.step for event in events if event.kind == "step.committed"]
        retail.shows(
            f"{len(committed)} steps were committed, {len(set(committed))} different ones: none of them twice."
        )
        retail.proves(run_id)
        same = published(retail) == undisturbed
        retail.says(f"The target is {'the same' if same else 'NOT the same'} as of the run that nobody disturbed.")


def killed_while(retail: Scene, step: str) -> None:
    """Run the pipeline in a process of its own, and kill that when it has finished a step whose name begins so."""
    command = [sys.executable, "-m", "crewline", "run", str(retail.pipeline)]
    worker = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert worker.stderr is not None
    for line in worker.stderr:
        retail.shows(line.rstrip())
        if line.startswith(step):
            worker.kill()
            retail.shows(f"(killed: process {worker.pid})")
            break
    worker.stderr.close()
    worker.wait()


def published(retail: Scene) -> dict[str, str]:
    """The files of the target with the digests of their bytes."""
    target = retail.folder / "out" / "revenue"
    files = sorted(file for file in target.rglob("*.parquet") if file.is_file())
    return {str(file.relative_to(target)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


if __name__ == "__main__":
    main()
