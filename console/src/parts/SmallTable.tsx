import type { ReactNode } from 'react';

interface Props {
  label: string;
  head: string[];
  rows: { key: string; cells: ReactNode[] }[];
}

/** A few rows that belong to something else. Lists of their own are a `Listing`. */
export function SmallTable({ label, head, rows }: Props) {
  return (
    <section className="small-table" aria-label={label} tabIndex={0}>
      <table aria-label={label}>
        <thead>
          <tr>
            {head.map((name) => (name ? <th key={name}>{name}</th> : <td key="actions" />))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key}>
              {row.cells.map((cell, place) => (
                <td key={head[place]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
