// Tables: sorted by a click, in pages, with links to what a row is about.
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { Row } from '../api/panel';
import { count, num } from './format';
import { useHeld } from './held';

export interface TableColumn<R> {
  name: string;
  title: string;
  /** What the head says on hover. */
  about?: string;
  /** How a cell is drawn; the value as text without it. */
  cell?: (row: R) => ComponentChildren;
  /** What it is sorted by; the value itself without it. */
  by?: (row: R) => number | string;
  numeric?: boolean;
  /** Its head is a title only, which is not shown: it is for those who cannot see what the cells are. */
  plain?: boolean;
  /** Left out where there is little room. */
  wideOnly?: boolean;
  /** Takes what room is left, and cuts what is longer. */
  grow?: boolean;
}

export interface Sort { name: string; down: boolean }

interface Props<R> {
  name: string;
  columns: TableColumn<R>[];
  rows: R[];
  /** Rows a page; all in one without it. */
  page?: number;
  sort?: Sort;
  /** Sorted by the service, over all rows and not just those that are here. */
  sorted?: { by: Sort | undefined; sort: (by: Sort) => void };
  /** How many rows there are, if these are only the first of them. */
  of?: number | undefined;
  /** There are more rows than these, it is not known how many. */
  cut?: boolean;
  /** The rows stand in an order that is not to be changed: they are a page of it. */
  ordered?: boolean;
  /** Names a row. Rows are kept by place, so that nothing moves while figures come; while one has the focus, by name. */
  rowKey?: (row: R) => string;
  foot?: ComponentChildren;
}

export const rowHeight = 33;
/** The height of a table's body with so many rows, for its panel. */
export const tableHeight = (rows: number, paged = false): number => 36 + rows * rowHeight + (paged ? 44 : 4);

export function Table<R = Row>({ name, columns, rows, page, sort, sorted: service, of, cut, ordered, rowKey, foot }: Props<R>) {
  const [own, setOwn] = useState(sort);
  const order = service ? service.by : own;
  const setOrder = service?.sort ?? setOwn;
  const [at, setAt] = useState(0);
  const sorted = useMemo(() => {
    const column = columns.find((c) => c.name === order?.name);
    if (service || !order || !column) return rows;
    const value = column.by ?? ((row: R) => (row as Row)[column.name]);
    const sign = order.down ? -1 : 1;
    return [...rows].sort((a, b) => {
      const x = value(a);
      const y = value(b);
      if (x === null || x === undefined) return 1;
      if (y === null || y === undefined) return -1;
      return sign * (column.numeric ? num(x) - num(y) : String(x).localeCompare(String(y)));
    });
  }, [rows, order?.name, order?.down, columns]);
  const pages = page ? Math.max(1, Math.ceil(sorted.length / page)) : 1;
  const shownPage = Math.min(at, pages - 1);
  const [shown, holding] = useHeld(
    page ? sorted.slice(shownPage * page, shownPage * page + page) : sorted, rowKey, `${order?.name} ${order?.down} ${shownPage}`,
  );
  return (
    <div class="tablebox">
      <div class="scroll" tabIndex={0} role="region" aria-label={name}>
        <table>
          <thead>
            <tr>
              {columns.map((c) => {
                const mine = order?.name === c.name;
                return (
                  <th key={c.name} scope="col" class={classes(c)} aria-sort={mine ? (order.down ? 'descending' : 'ascending') : undefined}>
                    {c.plain ? <span class="unseen">{c.title}</span> : ordered ? <span class="head" title={c.about}>{c.title}</span> : (
                      <button type="button" title={c.about} onClick={() => setOrder({ name: c.name, down: mine ? !order.down : !!c.numeric })}>
                        {c.title}<span aria-hidden="true">{mine ? (order.down ? ' ↓' : ' ↑') : ''}</span>
                      </button>
                    )}
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody {...holding}>
            {shown.map((row, i) => (
              <tr key={i} data-row={rowKey?.(row)}>
                {columns.map((c) => (
                  <td key={c.name} class={classes(c)}>{c.cell ? c.cell(row) : plain((row as Row)[c.name])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(pages > 1 || foot) && (
        <nav class="pages" aria-label={`Pages of ${name}`}>
          {pages > 1 && (
            <>
              <button type="button" class="button" disabled={shownPage === 0} onClick={() => setAt(shownPage - 1)}>Previous</button>
              <span class="muted">{shownPage * page! + 1}–{Math.min(sorted.length, shownPage * page! + page!)} of {firstOf(sorted.length, of, cut)}</span>
              <button type="button" class="button" disabled={shownPage >= pages - 1} onClick={() => setAt(shownPage + 1)}>Next</button>
            </>
          )}
          {foot}
        </nav>
      )}
    </div>
  );
}

/** How many there are, where only the first of them are here. */
const firstOf = (here: number, all: number | undefined, cut = false): string => (all && all > here ? `the first ${count(here)} of ${count(all)}` : cut ? `the first ${count(here)}` : count(here));

const classes = <R,>(c: TableColumn<R>) => `${c.numeric ? 'num' : ''} ${c.wideOnly ? 'wide-only' : ''} ${c.grow ? 'grow' : ''}`.trim() || undefined;

const plain = (value: unknown): string => (value === null || value === undefined ? '–' : String(value));

/** A panel's rows as they came: what a chart shows, for who cannot see it. */
export function PlainTable({ columns, rows, name }: { columns: string[]; rows: Row[]; name: string }) {
  const described = useMemo(
    () => columns.map((c): TableColumn<Row> => ({ name: c, title: c.replaceAll('_', ' '), numeric: rows.some((r) => typeof r[c] === 'number') })),
    [columns.join(), rows],
  );
  return <Table name={name} columns={described} rows={rows} page={200} />;
}

/** A share as a bar behind its figure. */
export function BarCell({ share, children }: { share: number; children: ComponentChildren }) {
  return (
    <span class="barcell">
      <span class="bar" style={{ width: `${Math.max(0, Math.min(1, share)) * 100}%` }} />
      <span>{children}</span>
    </span>
  );
}
