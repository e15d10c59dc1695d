// Charts have no colour of their own for text and grid; they follow the theme of the page.
const themed = matchMedia("(prefers-color-scheme: dark)");
function paint() {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim();
  const line = style.getPropertyValue("--line").trim();
  for (const chart of document.querySelectorAll(".js-plotly-plot")) {
    const change = {"font.color": ink};
    for (const name of Object.keys(chart._fullLayout || {})) {
      if (/^[xy]axis\d*$/.test(name)) {
        change[name + ".gridcolor"] = line;
        change[name + ".zerolinecolor"] = line;
      }
    }
    Plotly.relayout(chart, change);
  }
}
themed.addEventListener("change", paint);
addEventListener("load", paint);
// A chart that was drawn while it was folded has no width yet.
document.querySelector(".appendix").addEventListener("toggle", () => {
  for (const chart of document.querySelectorAll(".js-plotly-plot")) Plotly.Plots.resize(chart);
});
