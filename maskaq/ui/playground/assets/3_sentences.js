// The sentences of the page, computed from the stored numbers.

const SOURCES = [
  { name: "noise", short: "noise", label: "Noise", made: "noise", colour: "var(--noise)" },
  { name: "maskaq", short: "MaskAQ", label: "MaskAQ", made: "images that the model made itself", colour: "var(--q)" },
  { name: "real", short: "real images", label: "Real", made: "real images", colour: "var(--real)" },
];

function sourceOf(name) {
  return SOURCES.find((one) => one.name === name);
}

// What Q keeps of P's accuracy at this format, and whether the image source matters.
function verdict(world, bits, source) {
  const kept = (name) => percent(world.q[name][bits][0] / world.p[0]);
  const chosen = sourceOf(source);
  const other = sourceOf(source === "noise" ? "maskaq" : "noise");
  const [difference, low, high] = world.difference[bits];
  const points = `${signed(difference)} points, 95 % interval ${signed(low)} to ${signed(high)}`;
  const apart = low > 0 || high < 0
    ? `MaskAQ against noise: ${points}.`
    : `The two cannot be told apart here (${points}).`;
  const [weights, activations] = numbersOf(bits);
  const most = bits === breakingPoint(world) ? " Of all formats, the images matter most here." : "";
  return `With ${weights}-bit weights and ${activations}-bit activations, the model keeps ${kept(source)} of its accuracy if it is fitted to ${world.images} ${imagesOf(chosen)}, and ${kept(other.name)} with ${imagesOf(other)}. ${apart}${most}`;
}

// The format at which MaskAQ leads noise by most; null if they cannot be told apart anywhere.
function breakingPoint(world) {
  const led = world.bits.filter((bits) => world.difference[bits][1] > 0);
  return led.sort((a, b) => world.difference[b][0] - world.difference[a][0])[0] ?? null;
}

function imagesOf(source) {
  return source.name === "noise" ? "images of noise" : source.made;
}

function signed(value) {
  const points = (100 * value).toFixed(1);
  return value > 0 ? `+${points}` : points;
}

function sizes(world, bits) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const [before, after] = [world.bytes.P, world.bytes[bits]];
  return `Weights ${megabytes(before)} MB → ${megabytes(after)} MB, ${(before / after).toFixed(1)} times smaller if packed. The arithmetic is simulated here. ${world.files}`;
}

function accuracies(world, bits, source) {
  const one = ([value, low, high]) => `${percent(value)} (${(100 * low).toFixed(0)} to ${(100 * high).toFixed(0)})`;
  return `Right answers: full precision ${one(world.p)}, quantized ${one(world.q[source][bits])}; 95 % intervals, n = ${world.n.toLocaleString("en")} ${world.tested}.`;
}

// Whether P and Q give the same first answer, and whether it is right.
function agreement(names, right, p, q) {
  if (!q) return { text: "", wrong: false };
  if (p === q) return { text: `✓ Both answer ${names[p]}.`, wrong: false };
  const fallen = right.includes(p) && !right.includes(q);
  return { text: `✗ They disagree: ${names[p]} became ${names[q]}${fallen ? ", which is wrong" : ""}.`, wrong: true };
}

// The first answer of the Q of every source, where right answers are known.
function firstAnswers(names, right, answers) {
  if (!right.length) return "";
  const parts = answers.map(([source, answer]) => `${source.label} ${right.includes(answer) ? "✓" : "✗"} ${names[answer]}`);
  return `First answers by source: ${parts.join(" · ")}.`;
}

function patchName(query, grid) {
  if (query === null) return "the class token (CLS)";
  return `patch row ${Math.floor(query / grid[1]) + 1}, column ${(query % grid[1]) + 1}`;
}
