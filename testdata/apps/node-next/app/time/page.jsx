export const dynamic = "force-dynamic";

export default function Page() {
  return <p>served by a server, by node {process.versions.node}</p>;
}
