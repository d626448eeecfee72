export function greeting(path: string): string {
  return `hello ${path} from deno serve`;
}
