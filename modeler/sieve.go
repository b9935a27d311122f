package modeler

import (
	"bytes"
	"context"
	"fmt"

	"claude-analytics/modeler/project"
)

// A refresh reads the rows of a few sessions from tables that hold those of all. DuckDB looks a session up (IN, a join) only
// after it has read all columns that are wanted, of every row. So a condition stands before it that every wanted row
// passes and few others do, and which DuckDB evaluates while it scans: on the session column alone, once for each session of
// a dictionary, and the other columns are read where it holds. It asks the bit of the session's hash, so that it costs the same
// however many sessions there are.

// sieve is such a condition. The zero value lets everything pass.
type sieve struct {
	bits []byte // '0' or '1' for each value of the hash
}

// Sieves have sieveBits bits a session, so that one in so many others passes, up to a size that is still read in no time.
const (
	sieveBits = 256
	leastBits = 1 << 10
	mostBits  = 1 << 16
)

// sieve reads what the sessions of closedTable hash to.
func (r *run) sieve(ctx context.Context) (sieve, error) {
	size := int64(leastBits)
	for size < mostBits && size < r.sessions*sieveBits {
		size *= 2
	}
	rows, err := r.tx.Query(ctx, fmt.Sprintf("SELECT (hash(session_id) & %d)::INTEGER FROM %s", size-1, temp(closedTable)))
	if err != nil {
		return sieve{}, fmt.Errorf("hash sessions: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	s := sieve{bits: bytes.Repeat([]byte{'0'}, int(size))}
	for rows.Next() {
		var hash int
		if err := rows.Scan(&hash); err != nil {
			return sieve{}, fmt.Errorf("hash sessions: %w", err)
		}
		s.bits[hash] = '1'
	}
	if err := rows.Err(); err != nil {
		return sieve{}, fmt.Errorf("hash sessions: %w", err)
	}
	return s, nil
}

// where is the condition on an expression that gives a row's session.
func (s sieve) where(session string) string {
	if s.bits == nil {
		return "true"
	}
	return fmt.Sprintf("get_bit('%s'::BIT, (hash(%s) & %d)::INTEGER) = 1", s.bits, session, len(s.bits)-1)
}

// bounds are the limits of a scan for the rows of closedTable.
type bounds struct {
	nulls    bool // rows without a session are wanted too
	sieve    sieve
	from, to string   // the first and the last date that the sessions ever had; "": not known
	few      []string // the sessions themselves, if they are few
	table    string   // where they stand: closedTable, or what all connections see of it
}

// countSessions reads how many sessions are in closedTable, and what every scan for their rows needs.
func (r *run) countSessions(ctx context.Context) (err error) {
	var empty int64
	if err := r.tx.QueryRow(ctx, "SELECT count(*), count(*) FILTER (WHERE session_id = '') FROM "+temp(closedTable)).Scan(&r.sessions, &empty); err != nil {
		return fmt.Errorf("count sessions: %w", err)
	}
	r.bounds = bounds{nulls: empty > 0, table: temp(closedTable)}
	r.bounds.sieve, err = r.sieve(ctx)
	return err
}

// maxNamed is how many sessions are named one by one in a condition, which DuckDB plans sooner than a look into a table.
const maxNamed = 64

// sessions is the list that a session of closedTable is in.
func (b bounds) sessions() string {
	if len(b.few) == 0 {
		return "SELECT session_id FROM " + b.table
	}
	return valueLists(b.few)[0]
}

// where is the condition that a table's row belongs to a session of closedTable. dated is whether it has bronze's date: the
// range is of literals, so that row groups are passed over unread. A list of dates would be looked up, as that of sessions.
func (b bounds) where(dated bool) string {
	session := project.SessionKey
	if b.nulls {
		session = "coalesce(" + session + ", '')"
	}
	condition := fmt.Sprintf("%s AND %s IN (SELECT session_id FROM %s)", b.sieve.where(session), session, b.table)
	if dated && b.from != "" {
		condition += fmt.Sprintf(" AND date BETWEEN DATE %s AND DATE %s", project.Literal(b.from), project.Literal(b.to))
	}
	return condition
}
