// Rounding numbers to levels, as `maskaq.quantization.level_list` does: levels [K] ascending, and
// edges [K+1]; a number between edges k and k+1 goes to level k, one outside them is clipped.

function placeOf(value, edges) {
  let low = 0;
  let high = edges.length - 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle + 1] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Errors of all numbers: SQNR in dB with its 95 % interval, parts of the error, numbers per level.
function measure(values, { levels, edges }) {
  const n = values.length;
  const counts = new Uint32Array(levels.length);
  const squares = new Float64Array(n);
  let [power, rounding, clipping, clipped] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const value = values[i];
    const place = placeOf(value, edges);
    counts[place] += 1;
    squares[i] = (levels[place] - value) ** 2;
    power += value * value;
    if (value < edges[0] || value > edges[edges.length - 1]) {
      clipped += 1;
      clipping += squares[i];
    } else {
      rounding += squares[i];
    }
  }
  const error = rounding + clipping;
  const sqnr = error && power ? 10 * Math.log10(power / error) : Infinity;
  let spread = 0; // of the logarithm of power / error, by the delta method
  if (Number.isFinite(sqnr)) {
    for (let i = 0; i < n; i++) spread += ((values[i] ** 2 / power - squares[i] / error) * n) ** 2;
  }
  const half = ((1.96 * 10) / Math.LN10) * Math.sqrt(spread) / n;
  return { n, counts, sqnr, half, clipped, clipping: error ? clipping / error : 0 };
}

// 95 % interval of a share (Wilson 1927).
function wilson(hits, n) {
  const z2 = 1.96 ** 2;
  const middle = (hits + z2 / 2) / (n + z2);
  const half = (1.96 / (n + z2)) * Math.sqrt((hits * (n - hits)) / n + z2 / 4);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

// The same levels with one of the two outer edges moved to `goal`. Symmetric levels stay so.
function stretched({ levels, edges }, end, goal, symmetric) {
  const [low, high] = [edges[0], edges[edges.length - 1]];
  const fixed = symmetric ? 0 : end ? low : high;
  const from = end ? high : low;
  const least = 0.002 * (high - low);
  const side = Math.sign(from - fixed);
  const factor = (side * Math.max(least, side * (goal - fixed))) / (from - fixed);
  const move = (value) => fixed + factor * (value - fixed);
  return { levels: levels.map(move), edges: edges.map(move) };
}

// The same levels with one of them moved, at most to its neighbours; numbers go to the nearest.
function moved({ levels, edges }, place, goal) {
  const last = levels.length - 1;
  const least = place ? levels[place - 1] : -Infinity;
  const most = place < last ? levels[place + 1] : Infinity;
  const next = levels.slice();
  next[place] = Math.min(Math.max(goal, least), most);
  const borders = edges.slice();
  if (place) borders[place] = (next[place - 1] + next[place]) / 2;
  if (place < last) borders[place + 1] = (next[place] + next[place + 1]) / 2;
  if (!place) borders[0] = Math.min(next[0] + edges[0] - levels[0], borders[1]);
  if (place === last) borders[last + 1] = Math.max(next[last] + edges[last + 1] - levels[last], borders[last]);
  return { levels: next, edges: borders };
}

function histogram(values, low, high, bins) {
  const counts = new Uint32Array(bins);
  const scale = bins / (high - low || 1);
  for (const value of values) counts[Math.min(bins - 1, Math.max(0, Math.floor((value - low) * scale)))] += 1;
  return counts;
}

// About `count` round numbers between two.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? rough;
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
  return found;
}
