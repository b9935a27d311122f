// CSV for spreadsheets. A cell that begins like a formula is run as one when the file is opened, and titles and names are
// whatever somebody wrote: an apostrophe before it makes it text. Numbers stay numbers.
const cell = /("(?:[^"]|"")*"|[^,\r\n]*)(,|\r?\n|$)/gy;
const number = /^[-+]?\d+(\.\d+)?(e[-+]?\d+)?$/i;

export function withoutFormulas(csv: string): string {
  return csv.replace(cell, (_, text: string, end: string) => {
    const quoted = text.startsWith('"');
    const value = quoted ? text.slice(1, -1) : text;
    if (!/^\s*[=+\-@\t\r]/.test(value) || number.test(value)) return text + end;
    return (quoted ? `"'${value}"` : `'${value}`) + end;
  });
}
