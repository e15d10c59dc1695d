// Numbers for the sentences and the chart. Nothing here keeps state.

function percent(value, digits = 1) {
  return `${(100 * value).toFixed(digits)} %`;
}

// Share of two class maps that is equal, of all pixels.
function sameShare(p, q) {
  let same = 0;
  for (let i = 0; i < p.length; i++) same += p[i] === q[i];
  return same / p.length;
}

// Objects that P finds, and how many of them Q finds too.
function sameObjects(p, q, least) {
  const sure = (boxes) => boxes.filter(([number, score]) => number >= 0 && score >= least);
  const found = sure(p).filter((one) => sure(q).some((other) => other[0] === one[0] && overlap(one, other) >= 0.5));
  return [found.length, sure(p).length, sure(q).length];
}

function overlap([, , left, top, right, bottom], [, , l, t, r, b]) {
  const both = Math.max(0, Math.min(right, r) - Math.max(left, l)) * Math.max(0, Math.min(bottom, b) - Math.max(top, t));
  return both / ((right - left) * (bottom - top) + (r - l) * (b - t) - both);
}

const LABELS = { noise: "noise", maskaq: "MaskAQ", real: "real images" };

// What the chart shows; its axis leaves out the tenths without a value.
function scoresOf({ metric, bits, p, n, q, sources }) {
  const all = sources.flatMap((source) => bits.flatMap((format) => q[source][format]));
  const range = [Math.floor(10 * Math.min(...all, p[1])) / 10, Math.ceil(10 * Math.max(...all, p[2])) / 10];
  const rows = sources.map((name) => ({ name, label: LABELS[name], colour: `var(--${name})`, q: q[name] }));
  return { metric, bits, p, n, sources: rows, range, size: [520, 170] };
}
