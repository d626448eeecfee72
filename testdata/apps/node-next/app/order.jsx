"use client";
import { useState } from "react";
import { order } from "./actions";

export default function Order() {
  const [answer, setAnswer] = useState("");
  return <button onClick={async () => setAnswer(await order(3))}>order {answer}</button>;
}
