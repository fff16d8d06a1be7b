(function () {
  "use strict";
  var SVG = "http://www.w3.org/2000/svg";
  function id(name) { return document.getElementById(name); }
  function show(element) { if (element) element.hidden = false; }
  function all(selector, root) { return Array.prototype.slice.call((root || document).querySelectorAll(selector)); }
  function draw(parent, tag, attributes, text) {
    var element = document.createElementNS(SVG, tag);
    Object.keys(attributes).forEach(function (key) { element.setAttribute(key, attributes[key]); });
    if (text !== undefined) element.textContent = text;
    parent.appendChild(element);
    return element;
  }

  /* Theme, printing, copying, the section in view. */
  function isDark() {
    var chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function theme() {
    var button = id("theme");
    function tell() {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
      button.setAttribute("aria-pressed", String(isDark()));
    }
    button.addEventListener("click", function () {
      var next = isDark() ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      try { localStorage.setItem("covidnet-theme", next); } catch (error) { /* no storage */ }
      tell();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
    tell();
    show(button);
  }
  function printing() {
    var opened = [];
    window.addEventListener("beforeprint", function () {
      opened = all("details:not([open])");
      opened.forEach(function (one) { one.open = true; });
    });
    window.addEventListener("afterprint", function () { opened.forEach(function (one) { one.open = false; }); });
    id("print").addEventListener("click", function () { window.print(); });
    show(id("print"));
  }
  function copying() {
    all("[data-copy]").forEach(function (button) {
      button.addEventListener("click", function () {
        var source = id(button.dataset.copy);
        function select() { getSelection().selectAllChildren(source); button.textContent = "Selected"; }
        if (!navigator.clipboard) { select(); return; }
        navigator.clipboard.writeText(source.textContent).then(function () { button.textContent = "Copied"; }, select);
      });
      show(button);
    });
  }
  function contents() {
    var links = {};
    all(".contents a").forEach(function (link) { links[link.getAttribute("href").slice(1)] = link; });
    var observer = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting) return;
        Object.keys(links).forEach(function (key) { links[key].removeAttribute("aria-current"); });
        links[entry.target.id].setAttribute("aria-current", "true");
      });
    }, { rootMargin: "-10% 0px -80% 0px" });
    Object.keys(links).forEach(function (key) { if (id(key)) observer.observe(id(key)); });
  }

  /* Exact intervals (Clopper and Pearson): quantiles of the beta distribution. */
  function logGamma(x) {
    var c = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.001208650973866179, -0.000005395239384953];
    var t = x + 5.5 - (x + 0.5) * Math.log(x + 5.5), sum = 1.000000000190015;
    c.forEach(function (value, index) { sum += value / (x + 1 + index); });
    return -t + Math.log(2.5066282746310005 * sum / x);
  }
  function betaFraction(x, a, b) {
    var tiny = 1e-300, c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    var h = d;
    for (var m = 1; m <= 1000; m++) {
      [m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))].forEach(function (step) {
        d = 1 + step * d; d = 1 / (Math.abs(d) < tiny ? tiny : d);
        c = 1 + step / c; c = Math.abs(c) < tiny ? tiny : c;
        h *= d * c;
      });
      if (Math.abs(d * c - 1) < 1e-14) break;
    }
    return h;
  }
  function betaCdf(x, a, b) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    var front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * betaFraction(x, a, b) / a : 1 - front * betaFraction(1 - x, b, a) / b;
  }
  function betaQuantile(p, a, b) {
    var low = 0, high = 1;
    for (var step = 0; step < 60; step++) {
      var middle = (low + high) / 2;
      if (betaCdf(middle, a, b) < p) low = middle; else high = middle;
    }
    return (low + high) / 2;
  }
  function exact(hits, n, level) {
    var tail = (1 - level) / 2;
    if (!n) return { value: null, low: 0, high: 1 };
    return {
      value: hits / n,
      low: hits === 0 ? 0 : betaQuantile(tail, hits, n - hits + 1),
      high: hits === n ? 1 : betaQuantile(1 - tail, hits + 1, n - hits)
    };
  }

  /* The threshold slider. */
  function probability(value) {
    if (value <= 0) return "0";
    if (value >= 1) return "1";
    if (value >= 0.01 && value <= 0.99) return value.toFixed(2);
    if (value < 0.01) return String(Number(value.toPrecision(2)));
    var rest = 1 - value;
    if (rest <= 1e-5) return "> 0.99999";
    var digits = 2;
    while (rest < Math.pow(10, 1 - digits)) digits += 1;
    return value.toFixed(digits);
  }
  function logit(p) { return Math.log(p / (1 - p)); }
  function slider() {
    var store = id("threshold-data");
    if (!store) return;
    var data = JSON.parse(store.textContent), PAD = 10, NONE = 2;
    var strip = id("strip"), range = id("threshold-range"), exactly = id("threshold-number"), chooser = id("series");
    var series, low, high, threshold = data.start;

    function bounded(p) { return Math.max(low, Math.min(high, logit(Math.max(1e-7, Math.min(1 - 1e-7, p))))); }
    function choose(index) {
      series = data.series[index];
      var odds = series.p.filter(function (p) { return p > 0 && p < 1; }).map(logit);
      low = Math.max(-16, Math.min(-3, Math.floor(Math.min.apply(null, odds.concat([0])) - 0.7)));
      high = Math.min(16, Math.max(3, Math.ceil(Math.max.apply(null, odds.concat([0])) + 0.7)));
      all("#slider [data-called]").forEach(function (one) { one.textContent = series.name; });
      all("#slider [data-rest]").forEach(function (one) { one.textContent = series.other; });
      id("at-point").hidden = data.point === null || index > 0 && data.series[index].name !== data.series[0].name;
    }
    /* How many kept probabilities are at least t; they fall. */
    function above(t) {
      var from = 0, to = series.p.length;
      while (from < to) { var middle = (from + to) >> 1; if (series.p[middle] >= t) from = middle + 1; else to = middle; }
      return from;
    }
    function toPosition(t) {
      if (t > 1) return 1000;
      if (t <= 0) return 0;
      return Math.max(1, Math.min(999, Math.round(1000 * (bounded(t) - low) / (high - low))));
    }
    function fromPosition(position) {
      if (position <= 0) return 0;
      if (position >= 1000) return NONE;
      return 1 / (1 + Math.exp(-(low + position / 1000 * (high - low))));
    }
    function x(t, width) {
      if (t > 1) return width - PAD;
      if (t <= 0) return PAD;
      return PAD + (bounded(t) - low) / (high - low) * (width - 2 * PAD);
    }
    function drawStrip() {
      var width = strip.clientWidth || 600, height = strip.clientHeight || 132, axis = 64;
      strip.setAttribute("viewBox", "0 0 " + width + " " + height);
      strip.textContent = "";
      draw(strip, "rect", { "class": "called", id: "strip-called", y: 20, height: 88 });
      draw(strip, "line", { "class": "rule", x1: PAD, x2: width - PAD, y1: axis, y2: axis });
      var own = "", rest = "", before = [0, 0];
      series.p.forEach(function (p, index) {
        var at = x(p, width).toFixed(1), more = series.tp[index] - before[0], others = series.fp[index] - before[1];
        before = [series.tp[index], series.fp[index]];
        if (more > 0) own += "M" + at + " " + (axis - 4) + "v" + -Math.min(34, 14 + 4 * (more - 1));
        if (others > 0) rest += "M" + at + " " + (axis + 4) + "v" + Math.min(34, 14 + 4 * (others - 1));
      });
      var many = series.p.length > 300 ? 0.35 : 0.85;
      draw(strip, "path", { "class": "own", d: own || "M0 0", "stroke-width": 2.4, opacity: many });
      draw(strip, "path", { "class": "rest", d: rest || "M0 0", "stroke-width": 2.4, opacity: many });
      draw(strip, "text", { "class": "own-name", x: PAD, y: 13 }, series.name + " (" + series.positives + ")");
      draw(strip, "text", { "class": "rest-name", x: PAD, y: 106 }, series.other + " (" + series.negatives + ")");
      var last = -99;
      [1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999].forEach(function (p) {
        var at = x(p, width);
        if (logit(p) <= low || logit(p) >= high || at - last < 62 || at > width - 30 || at < 26) return;
        last = at;
        draw(strip, "line", { "class": "rule", x1: at, x2: at, y1: axis - 3, y2: axis + 3 });
        draw(strip, "text", { x: at, y: 126, "text-anchor": "middle" }, p < 0.001 ? p.toExponential(0) : String(p));
      });
      if (!id("at-point").hidden) {
        var mark = x(data.point, width), left = mark > width - 110;
        draw(strip, "line", { "class": "point", x1: mark, x2: mark, y1: 4, y2: 108 });
        draw(strip, "text", { x: mark + (left ? -5 : 5), y: 13, "text-anchor": left ? "end" : "start" }, "operating point");
      }
      draw(strip, "line", { "class": "at", id: "strip-at", y1: 16, y2: 110 });
      place();
    }
    function place() {
      var width = strip.clientWidth || 600, at = x(threshold, width);
      id("strip-at").setAttribute("x1", at);
      id("strip-at").setAttribute("x2", at);
      id("strip-called").setAttribute("x", at);
      id("strip-called").setAttribute("width", Math.max(0, width - PAD - at));
    }
    function ring(name, px, py) {
      var plot = document.querySelector("[data-plot='" + name + "'] svg");
      if (!plot) return;
      var box = plot.parentNode.dataset, circle = plot.querySelector(".live") || draw(plot, "circle", { "class": "live", r: 6 });
      circle.setAttribute("cx", Number(box.left) + px * (box.right - box.left));
      circle.setAttribute("cy", Number(box.bottom) + py * (box.top - box.bottom));
      circle.setAttribute("visibility", px === null || py === null ? "hidden" : "visible");
    }
    function rate(row, hits, n) {
      var found = exact(hits, n, data.level), bar = row.querySelector(".bar-range"), dot = row.querySelector(".bar-dot");
      row.querySelector(".value").textContent = found.value === null ? "–" : found.value.toFixed(2);
      row.querySelector(".limits").textContent = "[" + found.low.toFixed(2) + ", " + found.high.toFixed(2) + "]";
      row.dataset.value = found.value === null ? "" : found.value; row.dataset.low = found.low; row.dataset.high = found.high;
      bar.setAttribute("x1", 2 + 116 * found.low);
      bar.setAttribute("x2", 2 + 116 * found.high);
      dot.setAttribute("cx", 2 + 116 * (found.value || 0));
      dot.setAttribute("visibility", found.value === null ? "hidden" : "visible");
      return found.value;
    }
    function set(t, from) {
      threshold = t;
      var count = above(t), tp = count ? series.tp[count - 1] : 0, fp = count ? series.fp[count - 1] : 0;
      var fn = series.positives - tp, tn = series.negatives - fp, rows = all("#threshold-rates tbody tr");
      id("count-tp").textContent = tp; id("count-fn").textContent = fn; id("count-fp").textContent = fp; id("count-tn").textContent = tn;
      var sensitivity = rate(rows[0], tp, tp + fn), specificity = rate(rows[1], tn, tn + fp);
      var precision = rate(rows[2], tp, tp + fp);
      rate(rows[3], tn, tn + fn);
      var words = t > 1 ? "Nothing is called " + series.name + "." : t <= 0 ? "Everything is called " + series.name + "." :
        "Called " + series.name + " from a probability of " + probability(t) + " on.";
      id("threshold-output").textContent = words;
      range.setAttribute("aria-valuetext", words + " Sensitivity " + (sensitivity === null ? "undefined" : sensitivity.toFixed(2)) +
        ", specificity " + (specificity === null ? "undefined" : specificity.toFixed(2)));
      if (from !== "range") range.value = toPosition(t);
      if (from !== "number") exactly.value = t > 1 ? "" : t;
      id("step-down").disabled = count >= series.p.length;
      id("step-up").disabled = count === 0;
      place();
      if (series === data.series[0]) {
        ring("roc", specificity === null ? null : 1 - specificity, sensitivity);
        ring("precision_recall", sensitivity, precision);
      }
    }
    range.addEventListener("input", function () { set(fromPosition(Number(range.value)), "range"); });
    exactly.addEventListener("input", function () {
      var typed = parseFloat(exactly.value);
      if (typed >= 0 && typed <= 1) set(typed, "number");
    });
    id("step-down").addEventListener("click", function () { var next = above(threshold); if (next < series.p.length) set(series.p[next]); });
    id("step-up").addEventListener("click", function () { var now = above(threshold); set(now > 1 ? series.p[now - 2] : NONE); });
    id("at-half").addEventListener("click", function () { set(0.5); });
    id("at-point").addEventListener("click", function () { set(data.point); });
    chooser.addEventListener("change", function () { choose(Number(chooser.value)); drawStrip(); set(threshold); });
    id("series-field").hidden = data.series.length < 2;
    show(range); show(id("threshold-buttons"));
    choose(0); drawStrip(); set(data.start);
    new ResizeObserver(drawStrip).observe(strip);
  }

  /* The table of images: sorting, filtering, and one image larger. */
  function images() {
    var table = id("image-table");
    if (!table) return;
    var body = table.tBodies[0], rows = all("tr", body), headers = all("th[data-key]", table);
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
      rows.forEach(function (row) { row.hidden = !wanted(row); count += row.hidden ? 0 : 1; });
      id("found").textContent = count === rows.length ? rows.length + " images" : count + " of " + rows.length + " images";
    }
    id("filters").addEventListener("input", filter);
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

  [theme, printing, copying, contents, slider, images, sortable].forEach(function (start) { start(); });
})();
