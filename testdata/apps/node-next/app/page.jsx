import Order from "./order";

export default function Page() {
  return (
    <main>
      <h1>hello from next</h1>
      <Order />
    </main>
  );
}
