"""`python -m crewline` is `crewline`."""

from crewline.cli import main

main()
