// What the numbers say.

function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

function share(value) {
  const digits = value > 0 && value < 0.1 ? (value < 0.01 ? 2 : 1) : 0;
  return `${(100 * value).toFixed(digits)} %`;
}

// Python sends 999 dB for no error, as JSON has no infinity.
const exact = (sqnr) => sqnr >= 999;

// For random numbers with 95 % intervals; numbers that were typed in are all there are.
function verdict(found, message, byHand) {
  const { n, sqnr, half, clipped, clipping } = found;
  const many = n.toLocaleString("en");
  const name = byHand ? "your levels" : message.rule;
  if (exact(sqnr)) return [`${message.bits} bits, ${name}: exact.`, ` None of these ${many} numbers changes.`];
  const range = message.random ? `95 % interval ${(sqnr - half).toFixed(1)} to ${(sqnr + half).toFixed(1)}, ` : "";
  const head = `${message.bits} bits, ${name}: SQNR ${sqnr.toFixed(1)} dB`;
  let text = ` (${range}n = ${many}). `;
  if (clipped) {
    const [low, high] = wilson(clipped, n);
    const around = message.random ? `, ${share(low)} to ${share(high)}` : "";
    text += `${clipped.toLocaleString("en")} of them (${share(clipped / n)}${around}) are clipped, which makes ${share(clipping)} of the error; rounding makes ${share(1 - clipping)}. `;
  } else {
    text += "Nothing is clipped, so all of the error is rounding. ";
  }
  return [head, text + compared(sqnr, message, byHand)];
}

function compared(sqnr, message, byHand) {
  const best = message.rules.reduce((one, other) => (other.sqnr > one.sqnr ? other : one));
  if (!byHand && best.sqnr - sqnr < 0.05) return "No rule does better on these numbers.";
  const gap = sqnr - best.sqnr;
  if (byHand && gap > 0.05) return `You beat the best rule, ${best.name}, by ${gap.toFixed(1)} dB!`;
  const which = `The best rule here, ${best.name},`;
  if (exact(best.sqnr)) return `${which} is exact.`;
  return gap > -0.05 ? `${which} is equally good.` : `${which} has ${(-gap).toFixed(1)} dB more.`;
}

function spotText(value, place, levels, edges, codes, count) {
  const level = levels[place];
  const clipped = value < edges[0] || value > edges[edges.length - 1];
  const error = level - value;
  return `${short(value)} → code ${codes[place]} → level ${short(level)}: ${clipped ? "clipped" : "rounded"} by ${short(error)}. ${count.toLocaleString("en")} numbers share this level.`;
}
