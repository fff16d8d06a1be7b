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
