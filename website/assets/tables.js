// A phone shows the cells of a row one below the other (site.css): all but the first say what column they are of.
for (const table of document.querySelectorAll(".md-typeset table:not([class])")) {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  for (const row of table.tBodies[0]?.rows ?? []) {
    for (const cell of [...row.cells].slice(1)) {
      const head = heads[cell.cellIndex];
      if (head) cell.dataset.head = head;
      if (["", "–"].includes(cell.textContent.trim())) cell.dataset.empty = "";
    }
  }
}
