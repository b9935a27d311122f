package warehouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// errWhole means that a copy could not be brought up to date from the one before, and is to be made of everything.
var errWhole = errors.New("a copy of everything is to be made")

// fewReplaced rows in the place of others are never too many: what they leave behind in the file is small.
const fewReplaced = 10_000

// sinceCopy gives the refresh that the published copy shows and what changed from there until another; ok is false if that is
// not known.
type sinceCopy func(ctx context.Context, refresh int64) (holds int64, changed map[string]*changedRows, ok bool)

// copyFile copies the published file. Where the file system shares blocks between files, nothing is written.
func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("read the copy before: %w", err)
	}
	defer source.Close() //nolint:errcheck // only read
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("begin from the copy before: %w", err)
	}
	_, err = io.Copy(target, source)
	if err = errors.Join(err, target.Close()); err != nil {
		return fmt.Errorf("begin from the copy before: %w", err)
	}
	return nil
}

// followUp brings the attached file, which holds an earlier version of the gold layer, up to date in this transaction. It
// costs what changed, and a look at the columns by which that is found. It is an errWhole if the file is not what was expected,
// or holds more rows in the place of others than are worth keeping.
func (t *Tx) followUp(ctx context.Context, tables []Table, holds int64, changed map[string]*changedRows, describe func(string) Comments) (replaced int64, err error) {
	var refresh int64
	if err := t.QueryRow(ctx, "SELECT refresh, replaced FROM "+building+".meta.published").Scan(&refresh, &replaced); err != nil {
		return 0, fmt.Errorf("%w: %w", errWhole, err)
	}
	if refresh != holds {
		return 0, fmt.Errorf("%w: the one before shows refresh %d, not %d", errWhole, refresh, holds)
	}
	again, err := t.tablesOfViews(ctx, tables)
	if err != nil {
		return 0, err
	}
	for _, table := range tables {
		rows := changed[table.Name]
		if table.View || rows == nil {
			continue
		}
		if rows.whole {
			again = append(again, table)
			continue
		}
		n, err := t.replaceInCopy(ctx, table, rows)
		if err != nil {
			return 0, err
		}
		replaced += n
	}
	for _, table := range again {
		if err := t.copyTable(ctx, table, "main", "SELECT * FROM %s"); err != nil {
			return 0, err
		}
	}
	if err := t.comment(ctx, again, describe); err != nil {
		return 0, err
	}
	total, err := t.sameCounts(ctx, tables)
	if err != nil {
		return 0, err
	}
	if replaced > max(total, fewReplaced) {
		return 0, fmt.Errorf("%w: %d rows were replaced since the last, of %d", errWhole, replaced, total)
	}
	return replaced, nil
}

// tablesOfViews sees that the file holds the tables and views that it should, and finds the views that became tables of their
// rows: nothing says whether those changed.
func (t *Tx) tablesOfViews(ctx context.Context, tables []Table) (found []Table, err error) {
	stored, err := t.tablesOf(ctx, building, "main")
	if err != nil {
		return nil, err
	}
	if len(stored) != len(tables) {
		return nil, fmt.Errorf("%w: the one before has %d tables and views, not %d", errWhole, len(stored), len(tables))
	}
	for i, table := range tables {
		if stored[i].Name != table.Name || stored[i].View && !table.View {
			return nil, fmt.Errorf("%w: the one before has %s in the place of %s", errWhole, stored[i].Name, table.Name)
		}
		if table.View && !stored[i].View {
			found = append(found, table)
		}
	}
	return found, nil
}

// replaceInCopy replaces a table's rows that hold one of the values, and counts those that went.
func (t *Tx) replaceInCopy(ctx context.Context, table Table, rows *changedRows) (int64, error) {
	where := rows.where()
	to := building + ".main." + Ident(table.Name)
	gone, err := t.Exec(ctx, "DELETE FROM "+to+" WHERE "+where)
	if err != nil {
		return 0, fmt.Errorf("delete from the copy of %s: %w", table.Name, err)
	}
	if _, err := t.Exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT * FROM %s WHERE %s", to, source(table), where)); err != nil {
		return 0, fmt.Errorf("insert into the copy of %s: %w", table.Name, err)
	}
	return gone, nil
}

// sameCounts sees that each table of the copy has as many rows as it should, and counts them all. It is no proof; but whatever
// a refresh forgets to mention mostly shows there.
func (t *Tx) sameCounts(ctx context.Context, tables []Table) (total int64, err error) {
	var parts []string
	for _, table := range tables {
		if !table.View {
			parts = append(parts, fmt.Sprintf("SELECT %s, (SELECT count(*) FROM %s), (SELECT count(*) FROM %s.main.%s)",
				Literal(table.Name), source(table), building, Ident(table.Name)))
		}
	}
	if len(parts) == 0 {
		return 0, nil
	}
	rows, err := t.Query(ctx, strings.Join(parts, " UNION ALL "))
	if err != nil {
		return 0, fmt.Errorf("%w: compare counts: %w", errWhole, err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	for rows.Next() {
		var name string
		var want, got int64
		if err := rows.Scan(&name, &want, &got); err != nil {
			return 0, fmt.Errorf("compare counts: %w", err)
		}
		if want != got {
			return 0, fmt.Errorf("%w: %s would have %d rows, not %d", errWhole, name, got, want)
		}
		total += got
	}
	return total, rows.Err()
}

// source is a table's name in the warehouse.
func source(table Table) string {
	return Catalog + "." + Ident(table.Schema) + "." + Ident(table.Name)
}
