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
    opened = all("details:not([open]):not(.picture)");
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
