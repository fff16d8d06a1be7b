(function () {
  "use strict";
  try {
    var kept = localStorage.getItem("covidnet-theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  } catch (error) { /* Pages opened as files may have no storage. */ }
})();
