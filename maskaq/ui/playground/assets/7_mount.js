// The entry point, which Streamlit calls with every new state of the component.

const mounted = new WeakMap();

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".playground");
  if (!mounted.has(root)) mounted.set(root, new Playground(root));
  const playground = mounted.get(root);
  const send = (name, value) => (name === "wanted" ? setStateValue(name, value) : setTriggerValue(name, value));
  playground.update(data, send).catch((error) => {
    playground.mark = null; // so that the next state is drawn, even if it is the same
    root.querySelector(".verdict").textContent = `This browser cannot show the playground (${error.message}). It needs Chrome, Edge, Firefox or Safari of 2023 or later.`;
  });
  return () => {
    playground.close();
    mounted.delete(root);
  };
}
