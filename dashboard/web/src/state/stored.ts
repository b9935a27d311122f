// What a browser keeps for the page. It may refuse to: then the page does without, for as long as it is open.
const memory = new Map<string, string>();

export function recall(where: 'localStorage' | 'sessionStorage', key: string): string | null {
  try {
    return window[where].getItem(key);
  } catch {
    return memory.get(key) ?? null;
  }
}

export function keep(where: 'localStorage' | 'sessionStorage', key: string, value: string): void {
  try {
    window[where].setItem(key, value);
  } catch {
    memory.set(key, value);
  }
}
