const form = document.getElementById("filter");
if (form) {
  const kind = document.getElementById("kind");
  const words = document.getElementById("words");
  const found = document.getElementById("found");
  const rows = [...document.querySelectorAll("#journal-table tbody tr")];
  const choose = () => {
    const wanted = words.value.toLowerCase();
    let there = 0;
    for (const row of rows) {
      const fits = (!kind.value || row.dataset.kind === kind.value) && row.textContent.toLowerCase().includes(wanted);
      row.hidden = !fits;
      there += fits ? 1 : 0;
    }
    found.textContent = `${there} of ${rows.length}`;
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  kind.addEventListener("change", choose);
  words.addEventListener("input", choose);
  choose();
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
