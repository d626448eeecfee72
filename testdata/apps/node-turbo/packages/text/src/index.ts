// eslint-disable-next-line
declare function require(name: string): any;

export const text = (from: string): string => `hello from ${from}, a day has ${require("ms")("1d")} ms`;
