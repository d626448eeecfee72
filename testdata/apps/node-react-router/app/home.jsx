export function loader() {
  return { from: "react router" };
}

export default function Home({ loaderData }) {
  return <h1>{`hello from ${loaderData.from}`}</h1>;
}
