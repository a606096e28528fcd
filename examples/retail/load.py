"""Load the customers of the retail example into the table that its pipeline reads.

    python examples/retail/load.py [DIR]

DIR is the folder that generate.py wrote, by default this one. The table `retail.customers` is made anew, in the
database that Crewline uses: CREWLINE_DATABASE_URL, or the embedded server.
"""

import csv
import sys
from pathlib import Path

from core.errors import CrewlineError
from core.store import Database, open_database

COLUMNS = ("customer_id", "name", "email", "region", "joined_on")


def load(database: Database, file: Path) -> int:
    """Replace the table's rows by those of the file, in one transaction; return how many there are."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = [tuple(row[column] or None for column in COLUMNS) for row in csv.DictReader(lines)]

    def work(connection):
        connection.execute("CREATE SCHEMA IF NOT EXISTS retail")
        connection.execute("DROP TABLE IF EXISTS retail.customers")
        connection.execute(f"CREATE TABLE retail.customers ({', '.join(f'{column} text' for column in COLUMNS)})")
        with connection.cursor().copy(f"COPY retail.customers ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    database.transaction(work)
    return len(rows)


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    file = folder / "data" / "customers.csv"
    if not file.is_file():
        print(
            f"There is no {file}. Write it with: python examples/retail/generate.py --out {folder}",
            file=sys.stderr,
        )
        return 2
    try:
        database = open_database()
        print(f"retail.customers: {load(database, file)} rows")
        database.close()
    except CrewlineError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
