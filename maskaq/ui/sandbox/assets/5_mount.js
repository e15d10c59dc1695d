// The entry point, which Streamlit calls with every new state of the component.

const mounted = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".sandbox");
  if (!mounted.has(root)) mounted.set(root, new Sandbox(root));
  const sandbox = mounted.get(root);
  sandbox.update(data, setTriggerValue);
  return () => {
    sandbox.close();
    mounted.delete(root);
  };
}
