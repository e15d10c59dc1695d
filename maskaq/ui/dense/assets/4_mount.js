// The entry point, which Streamlit calls with every new state of the component.

const mounted = new WeakMap();

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".dense");
  if (!mounted.has(root)) mounted.set(root, new Dense(root));
  mounted.get(root).update(data).catch((error) => {
    root.querySelector(".verdict").textContent = `This browser cannot show the pictures (${error.message}). It needs Chrome, Edge, Firefox or Safari of 2023 or later.`;
  });
  return () => mounted.delete(root);
}
