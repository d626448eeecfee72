declare module '@acme/greet' {
  export function greet(who: string): string;
}
