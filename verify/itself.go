package verify

import (
	"context"
	"fmt"
)

// innerCheck is a rule that bronze keeps by itself.
type innerCheck struct {
	kind, detail string
	// from is what follows SELECT … : rows that break the rule, with a column named what.
	from string
}

// The checks read eight-byte columns as far as they can; those of content blocks read the blocks' keys and dates.
var innerChecks = []innerCheck{
	{KindRowTwice, "the key stands in raw.conversations more than once", `
		FROM (SELECT source || ' ' || _id AS what FROM raw.conversations
			WHERE _key IN (SELECT _key FROM raw.conversations GROUP BY _key HAVING count(*) > 1)
			GROUP BY source, _id HAVING count(*) > 1)`},
	{KindBlocks, "content blocks without their row", `
		FROM (SELECT source || ' ' || _id AS what FROM raw.content_blocks b WHERE NOT EXISTS (FROM raw.conversations c WHERE c._key = b._key) GROUP BY 1)`},
	{KindBlocks, "a row's content blocks are not numbered from 0 without a gap, or one stands twice", `
		FROM (SELECT min(source) || ' ' || min(_id) AS what FROM raw.content_blocks GROUP BY _key
			HAVING count(*) <> max(block_index) + 1 OR min(block_index) <> 0)`},
	{KindBlocks, "content blocks stand on another date than their row", `
		FROM (SELECT b.source || ' ' || b._id AS what FROM raw.content_blocks b JOIN raw.conversations c ON c._key = b._key AND c.date <> b.date GROUP BY 1)`},
	// A number or a boolean in a message's place has a text form, and is no block.
	{KindBlocks, "a row with text has no content block", `
		FROM (SELECT source || ' ' || _id AS what FROM raw.conversations c WHERE content_length > 0 AND type IN ('user', 'assistant')
			AND NOT EXISTS (FROM raw.content_blocks b WHERE b._key = c._key)
			AND coalesce(nullif(json_type(message_raw, '$.content'), 'NULL'), nullif(json_type(message_raw, '$.text'), 'NULL'), json_type(message_raw), '')
				NOT IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT', 'BOOLEAN'))`},
}

// itself looks whether bronze is one row a key, and its blocks belong to its rows.
func (r *run) itself(ctx context.Context, l *Level) error {
	blocks, err := r.number(ctx, "count content blocks", "SELECT count(*) FROM raw.content_blocks")
	if err != nil {
		return err
	}
	l.count("content blocks", blocks)
	for _, check := range innerChecks {
		count, err := r.number(ctx, check.detail, "SELECT count(*) "+check.from)
		if err != nil {
			return err
		}
		if count == 0 {
			continue
		}
		d := Difference{Kind: check.kind, Detail: check.detail, Count: count, Repair: r.fix.rows(check.kind, 0, 0)}
		if d.Examples, err = r.texts(ctx, check.detail, fmt.Sprintf("SELECT what %s ORDER BY 1 LIMIT %d", check.from, maxExamples)); err != nil {
			return err
		}
		l.differ(d)
	}
	return r.oldRules(ctx, l)
}

// oldRules looks for rows that older rules of conversion made, where the rows say by which they were made.
func (r *run) oldRules(ctx context.Context, l *Level) error {
	columns, err := r.tx.Columns(ctx, "raw", "conversations")
	if err != nil {
		return err
	}
	for _, c := range columns {
		if c.Name != "_rules" {
			continue
		}
		count, err := r.number(ctx, "look for rows of older rules", "SELECT count(*) FROM raw.conversations WHERE _rules < ?", r.cfg.RuleVersion)
		if err != nil || count == 0 {
			return err
		}
		l.differ(Difference{
			Kind: KindOldRules, Count: count, Detail: fmt.Sprintf("rows were converted by rules older than %d", r.cfg.RuleVersion),
			Repair: r.fix.rows(KindOldRules, 1, r.bronzeAt.seq), Otherwise: r.fix.rows(KindRowTwice, 0, 0),
		})
		return nil
	}
	return nil
}

// texts reads a query's only column.
func (r *run) texts(ctx context.Context, what, query string, args ...any) (list []string, err error) {
	err = r.each(ctx, what, query, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		list = append(list, text)
		return nil
	}, args...)
	return list, err
}
