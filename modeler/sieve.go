package modeler

import (
	"bytes"
	"context"
	"fmt"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// sessionColumn is by what session models are replaced.
var sessionColumn = warehouse.Column{Name: project.SessionKey, Type: "VARCHAR"}

// A refresh reads the rows of some sessions from tables that hold those of all. What is IN a list or a table, DuckDB looks up only
// after it has read all columns that are wanted, of every row. A few sessions are therefore named in a condition that it
// evaluates while it scans: on the session column alone, and the other columns are read where it holds. Before many stands
// another such condition, which costs the same however many they are: it asks a bit of the session's hash, which every wanted
// row passes, and few others do.

// sieve says of each value of a session's hash, '1' or '0', whether a session of closedTable has it.
type sieve []byte

// sieveBits is how many values of the hash are told apart.
const sieveBits = 1 << 16

// sieve reads what the sessions of closedTable hash to.
func (r *run) sieve(ctx context.Context) (sieve, error) {
	rows, err := r.tx.Query(ctx, fmt.Sprintf("SELECT (hash(session_id) & %d)::INTEGER FROM %s", sieveBits-1, temp(closedTable)))
	if err != nil {
		return nil, fmt.Errorf("hash sessions: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	s := sieve(bytes.Repeat([]byte{'0'}, sieveBits))
	for rows.Next() {
		var hash int
		if err := rows.Scan(&hash); err != nil {
			return nil, fmt.Errorf("hash sessions: %w", err)
		}
		s[hash] = '1'
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("hash sessions: %w", err)
	}
	return s, nil
}

// where is the condition on an expression that gives a row's session.
func (s sieve) where(session string) string {
	return fmt.Sprintf("get_bit('%s'::BIT, (hash(%s) & %d)::INTEGER) = 1", s, session, sieveBits-1)
}

// bounds are the limits of a scan for the rows of closedTable.
type bounds struct {
	nulls    bool     // rows without a session are wanted too
	few      []string // the sessions themselves, if they are few
	sieve    sieve    // if they are not
	from, to string   // the first and the last date that the sessions ever had; "": not known
	table    string   // where they stand: closedTable, or what all connections see of it
}

// maxNamed is how many sessions are named one by one in a condition.
const maxNamed = 64

// bound reads how many sessions are in closedTable, and what every scan for their rows needs.
func (r *run) bound(ctx context.Context) (err error) {
	var empty int64
	if err := r.tx.QueryRow(ctx, "SELECT count(*), count(*) FILTER (WHERE session_id = '') FROM "+temp(closedTable)).Scan(&r.sessions, &empty); err != nil {
		return fmt.Errorf("count sessions: %w", err)
	}
	r.bounds = bounds{nulls: empty > 0, table: temp(closedTable)}
	if r.sessions > maxNamed {
		r.bounds.sieve, err = r.sieve(ctx)
	} else {
		r.bounds.few, err = r.strings(ctx, "read sessions", "SELECT session_id FROM "+temp(closedTable)+" ORDER BY 1")
	}
	return err
}

// boundWithDates also reads between which dates their rows lie in bronze, once meta.session_dates has those of all that changed.
func (r *run) boundWithDates(ctx context.Context) error {
	if err := r.bound(ctx); err != nil {
		return err
	}
	if err := r.tx.QueryRow(ctx, fmt.Sprintf(`SELECT coalesce(min(date)::VARCHAR, ''), coalesce(max(date)::VARCHAR, '') FROM meta.session_dates
		WHERE session_id IN (SELECT session_id FROM %s)`, temp(closedTable))).Scan(&r.bounds.from, &r.bounds.to); err != nil {
		return fmt.Errorf("read dates: %w", err)
	}
	return nil
}

// sessions is the list that a session of closedTable is in.
func (b bounds) sessions() string {
	if len(b.few) == 0 {
		return "SELECT session_id FROM " + b.table
	}
	return valueLists(b.few)[0]
}

// where is the condition that a table's row belongs to a session of closedTable. dated is whether it has bronze's date: the
// range is of literals, so that row groups are passed over unread. A list of dates would be looked up after all columns are read.
func (b bounds) where(dated bool) string {
	condition := sessionColumn.HoldsOneOf(b.few, b.nulls)
	if b.sieve != nil {
		session := project.SessionKey
		if b.nulls {
			session = "coalesce(" + session + ", '')"
		}
		condition = fmt.Sprintf("%s AND %s IN (SELECT session_id FROM %s)", b.sieve.where(session), session, b.table)
	}
	if dated && b.from != "" {
		condition += fmt.Sprintf(" AND date BETWEEN DATE %s AND DATE %s", project.Literal(b.from), project.Literal(b.to))
	}
	return condition
}
