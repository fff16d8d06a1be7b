/* The table of images: sorting, filtering, and one image larger. */
function images() {
  var table = id("image-table");
  if (!table) return;
  var body = table.tBodies[0], rows = all("tr", body), headers = all("th[data-key]", table);
  var FIRST = 20, STEP = 60, shown = FIRST, more = id("more");
  var NUMBERS = { place: 1, confidence: 1, right: 1, inside: 1 }, order = { key: "place", down: false };

  function sort(key, down) {
    order = { key: key, down: down };
    rows.sort(function (one, other) {
      var a = one.dataset[key] || "", b = other.dataset[key] || "", result;
      if (a === "" || b === "") result = a === b ? 0 : a === "" ? 1 : -1;
      else result = (NUMBERS[key] ? a - b : a.localeCompare(b, "en", { numeric: true })) * (down ? -1 : 1);
      return result || one.dataset.place - other.dataset.place;
    });
    rows.forEach(function (row) { body.appendChild(row); });
    headers.forEach(function (header) {
      if (header.dataset.key === key) header.setAttribute("aria-sort", down ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    });
    id("order").value = key;
    filter();
  }
  headers.forEach(function (header) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.textContent = "";
    header.appendChild(button);
    button.addEventListener("click", function () {
      var key = header.dataset.key;
      sort(key, order.key === key ? !order.down : false);
    });
  });
  id("order").addEventListener("change", function () { sort(id("order").value, false); });

  function wanted(row) {
    var set = row.dataset, part = id("part");
    var text = [set.name, set.folder, set.patient, set.source].join(" ").toLowerCase();
    return text.indexOf(id("find").value.trim().toLowerCase()) >= 0 &&
      (!id("only").value || set.right === id("only").value) &&
      (!id("truth").value || set.truth === id("truth").value) &&
      (!id("answer").value || set.answer === id("answer").value) &&
      (!part || !part.value || set.part === part.value);
  }
  function filter() {
    var count = 0;
    rows.forEach(function (row) {
      var found = wanted(row);
      count += found ? 1 : 0;
      row.hidden = !found || count > shown;
    });
    id("found").textContent = count === rows.length ? rows.length + " images" : count + " of " + rows.length + " images";
    more.hidden = count <= shown;
    more.textContent = "Show " + Math.min(STEP, count - shown) + " more of " + count;
  }
  id("filters").addEventListener("input", function () { shown = FIRST; filter(); });
  more.addEventListener("click", function () {
    var next = rows.filter(wanted)[shown];
    shown += STEP;
    filter();
    next.querySelector(".enlarge").focus();
  });
  id("filters").addEventListener("submit", function (event) { event.preventDefault(); });
  show(id("filters"));
  filter();
  viewer(rows, body);
}
function viewer(rows, body) {
  var dialog = id("viewer"), names = all("#truth option").slice(1).map(function (one) { return one.value; }), current = null;
  function fact(list, name, value) {
    if (!value) return;
    var term = document.createElement("dt"), description = document.createElement("dd");
    term.textContent = name; description.textContent = value;
    list.appendChild(term); list.appendChild(description);
  }
  function picture(source, caption) {
    var figure = document.createElement("figure"), image = document.createElement("img"), text = document.createElement("figcaption");
    image.src = source.src; image.alt = source.alt; text.textContent = caption;
    figure.appendChild(image); figure.appendChild(text);
    id("viewer-pictures").appendChild(figure);
  }
  function fill(row) {
    current = row;
    var set = row.dataset, list = id("viewer-facts"), thumbnail = row.querySelector(".enlarge img");
    id("viewer-title").textContent = set.name;
    id("viewer-pictures").textContent = "";
    list.textContent = "";
    if (thumbnail) picture(thumbnail, "as the model sees it");
    all(".overlays figure", row).forEach(function (one) {
      picture(one.querySelector("img"), one.querySelector("figcaption").textContent);
    });
    fact(list, "true class", set.truth);
    fact(list, "predicted", set.answer + (set.right === "1" ? " (right)" : " (wrong)"));
    set.p.split(" ").forEach(function (value, index) { fact(list, "probability of " + names[index], probability(Number(value))); });
    fact(list, "folder", set.folder); fact(list, "part", set.part); fact(list, "patient", set.patient); fact(list, "source", set.source);
  }
  function move(step) {
    var visible = all("tr", body).filter(function (row) { return !row.hidden; }), at = visible.indexOf(current) + step;
    if (visible[at]) fill(visible[at]);
  }
  rows.forEach(function (row) {
    row.querySelector(".enlarge").addEventListener("click", function () { fill(row); dialog.showModal(); });
  });
  id("viewer-back").addEventListener("click", function () { move(-1); });
  id("viewer-on").addEventListener("click", function () { move(1); });
  id("viewer-close").addEventListener("click", function () { dialog.close(); });
  dialog.addEventListener("click", function (event) { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", function (event) {
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") { move(event.key === "ArrowRight" ? 1 : -1); event.preventDefault(); }
  });
}
