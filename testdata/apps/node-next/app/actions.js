"use server";

export async function order(n) {
  return `${n} ordered`;
}
