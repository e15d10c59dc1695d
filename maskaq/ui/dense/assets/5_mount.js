// The entry point, which Streamlit calls with every new state of a component.

const mounted = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".dense");
  if (!mounted.has(root)) mounted.set(root, root.classList.contains("dream") ? new Dream(root) : new Dense(root));
  mounted.get(root).update(data, setTriggerValue).catch((error) => {
    root.querySelector(".verdict").textContent = `This browser cannot show the pictures (${error.message}). It needs Chrome, Edge, Firefox or Safari of 2023 or later.`;
  });
  return () => {
    mounted.get(root)?.close();
    mounted.delete(root);
  };
}
