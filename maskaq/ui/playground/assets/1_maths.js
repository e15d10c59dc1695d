// Attention, masks and entropies. A probability p is sent as the byte 255 sqrt(p).

const SQUARES = Float32Array.from({ length: 256 }, (_, level) => (level / 255) ** 2);

// Patches in order of falling attention weight alpha (MaskAQ Eq. 4); of equal ones the first.
function ranked(alpha) {
  return Array.from(alpha.keys()).sort((a, b) => alpha[b] - alpha[a] || a - b);
}

// Number of patches in a mask, at least one (MaskAQ Eq. 11).
function patchCount(patches, ratio) {
  return Math.max(1, Math.floor(patches * ratio + 1e-9));
}

function maskOf(order, ratio) {
  const mask = new Uint8Array(order.length);
  for (let i = 0; i < patchCount(order.length, ratio); i++) mask[order[i]] = 1;
  return mask;
}

// Share of a row's attention to patches that falls inside the mask, 0 to 1.
function shareInside(row, mask) {
  let inside = 0;
  let whole = 0;
  for (let i = 0; i < mask.length; i++) {
    whole += row[i];
    if (mask[i]) inside += row[i];
  }
  return whole ? inside / whole : 0;
}

// Attention of one query to all patches in every block and head: [blocks][heads] rows of [N].
function rowsOf(levels, shape, query) {
  const { blocks, heads, patches, tokens, prefix } = shape;
  const rows = [];
  for (let block = 0; block < blocks; block++) {
    rows.push([]);
    for (let head = 0; head < heads; head++) {
      const start = query === null
        ? (block * heads + head) * patches
        : ((block * heads + head) * tokens + prefix + query) * tokens + prefix;
      const row = new Float32Array(patches);
      for (let i = 0; i < patches; i++) row[i] = SQUARES[levels[start + i]];
      rows[block].push(row);
    }
  }
  return rows;
}

// Cosine similarity of the attention rows of all pairs of patches in one block, mean over heads
// (MaskAQ Eq. 5): [N*N], upper triangle.
function similarityOf(levels, shape, block) {
  const { heads, patches, tokens, prefix } = shape;
  const units = new Float32Array(patches * patches);
  for (let patch = 0; patch < patches; patch++) {
    let norm = 0;
    for (let other = 0; other < patches; other++) {
      let sum = 0;
      for (let head = 0; head < heads; head++) {
        sum += SQUARES[levels[((block * heads + head) * tokens + prefix + patch) * tokens + prefix + other]];
      }
      units[patch * patches + other] = sum;
      norm += sum * sum;
    }
    const scale = norm ? 1 / Math.sqrt(norm) : 0;
    for (let other = 0; other < patches; other++) units[patch * patches + other] *= scale;
  }
  const similarity = new Float32Array(patches * patches);
  for (let a = 0; a < patches; a++) {
    for (let b = a + 1; b < patches; b++) {
      let product = 0;
      for (let i = 0; i < patches; i++) product += units[a * patches + i] * units[b * patches + i];
      similarity[a * patches + b] = product;
    }
  }
  return similarity;
}

// Gaussian entropy of the similarities between these patches, in nats (MaskAQ Eq. 8 to 10).
function entropyOf(similarity, patches, chosen) {
  const sorted = Array.from(chosen).sort((a, b) => a - b);
  let sum = 0;
  let squares = 0;
  let pairs = 0;
  for (let i = 0; i < sorted.length; i++) {
    for (let j = i + 1; j < sorted.length; j++) {
      const value = similarity[sorted[i] * patches + sorted[j]];
      sum += value;
      squares += value * value;
      pairs += 1;
    }
  }
  if (pairs < 2) return null;
  const mean = sum / pairs;
  const variance = Math.max(squares / pairs - mean * mean, 1e-12);
  return 0.5 * Math.log(2 * Math.PI * Math.E * variance);
}
