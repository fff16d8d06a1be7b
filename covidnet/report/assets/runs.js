/* A sweep's table of runs. */
function sortable() {
  all("table[data-sortable]").forEach(function (table) {
    var body = table.tBodies[0], rows = all("tr", body);
    all("thead th", table).forEach(function (header, column) {
      var button = document.createElement("button");
      button.type = "button"; button.textContent = header.textContent; header.textContent = ""; header.appendChild(button);
      button.addEventListener("click", function () {
        var down = header.getAttribute("aria-sort") === "ascending";
        all("thead th", table).forEach(function (one) { one.removeAttribute("aria-sort"); });
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        rows.map(function (row, index) { return [row.cells[column].dataset.v || "", index, row]; }).sort(function (one, other) {
          if (one[0] === "" || other[0] === "") return (one[0] === "") - (other[0] === "") || one[1] - other[1];
          var numbers = !isNaN(one[0]) && !isNaN(other[0]);
          var result = numbers ? one[0] - other[0] : one[0].localeCompare(other[0], "en", { numeric: true });
          return result * (down ? -1 : 1) || one[1] - other[1];
        }).forEach(function (entry) { body.appendChild(entry[2]); });
      });
    });
  });
}
