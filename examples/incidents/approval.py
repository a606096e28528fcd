"""A publication needs a person's approval.

    python examples/incidents/approval.py

The run waits, without a process, for as long as it takes. What is approved is bound to what the person saw.
"""

from scene import scene

import crewline


def main() -> None:
    with scene("approval") as retail:
        retail.change("target:\n", "gate: {approval: true, approvers: [Ada, Ben]}\n\ntarget:\n")
        retail.says("The pipeline's owner wants to see what is published.")
        retail.run()
        run_id = retail.newest_run()

        request = retail.request(run_id)
        for name, value in request.seen.items():
            retail.shows(f"  {name}: {value}")
        retail.says("Ada has looked at it.")
        crewline.approve(request.approval, by="Ada", reason="the gaps are known")
        retail.resume(run_id)
        retail.story(run_id, "approval.", "run.")
        retail.proves(run_id)


if __name__ == "__main__":
    main()
