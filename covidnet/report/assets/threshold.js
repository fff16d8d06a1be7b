/* The threshold slider. */
function probability(value) {
  if (value <= 0) return "0";
  if (value >= 1) return "1";
  if (value >= 0.01 && value <= 0.99) return value.toFixed(2);
  if (value < 0.01) return String(Number(value.toPrecision(2)));
  var rest = 1 - value;
  if (rest <= 1e-5) return "1 \u2212 " + rest.toExponential(1);
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
  function short(name, width) {
    var most = Math.floor(width / 9) - 8;
    return name.length > most ? name.slice(0, most) + "\u2026" : name;
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
    draw(strip, "text", { "class": "own-name", x: PAD, y: 13 }, short(series.name, width) + " (" + series.positives + ")");
    draw(strip, "text", { "class": "rest-name", x: PAD, y: 106 }, short(series.other, width) + " (" + series.negatives + ")");
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
