package lake

import (
	"context"
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// rulesKey is the entry of a file's metadata that says by which conversion rules its columns were made
// (document.RulesVersion).
const rulesKey = "claude-analytics.rules"

// firstRules are those of files that do not say.
const firstRules = 1

// Selection picks rows by a few narrow columns, so that of a row group without any of them nothing else is read.
type Selection struct {
	// Columns are those that Pick looks at.
	Columns []string
	// Pick marks the rows that are wanted. rules is the version of the conversion rules that made the columns: what
	// depends on them may be different by now. It sees all rows of a file, in order.
	Pick func(rows arrow.RecordBatch, rules int, wanted []bool) error
	// Skip passes over a whole file, by its path and rules; nil: none.
	Skip func(path string, rules int) bool
}

// read hands over the rows that are wanted, row group by row group.
func (s *Selection) read(ctx context.Context, path string, reader *pqarrow.FileReader, columns []int, fn func(arrow.RecordBatch) error) error {
	source := reader.ParquetReader()
	narrow, err := columnsOf(source, s.Columns, nil)
	if err != nil {
		return err
	}
	rules := firstRules
	if text := source.MetaData().KeyValueMetadata().FindValue(rulesKey); text != nil {
		if rules, err = strconv.Atoi(*text); err != nil {
			return fmt.Errorf("%s: %w", rulesKey, err)
		}
	}
	if s.Skip != nil && s.Skip(path, rules) {
		return nil
	}
	for group := range source.NumRowGroups() {
		wanted := make([]bool, 0, source.MetaData().RowGroup(group).NumRows())
		any := false
		err := readRows(ctx, reader, narrow, []int{group}, func(rows arrow.RecordBatch) error {
			from := len(wanted)
			wanted = append(wanted, make([]bool, rows.NumRows())...)
			if err := s.Pick(rows, rules, wanted[from:]); err != nil {
				return err
			}
			for _, yes := range wanted[from:] {
				any = any || yes
			}
			return nil
		})
		if err != nil {
			return err
		}
		if !any {
			continue
		}
		err = readRows(ctx, reader, columns, []int{group}, func(rows arrow.RecordBatch) error {
			picked, err := pick(ctx, rows, wanted)
			if err != nil {
				return err
			}
			defer picked.Release()
			wanted = wanted[rows.NumRows():]
			return fn(picked)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pick is the record of those rows that are wanted; wanted may be longer than the record.
func pick(ctx context.Context, rows arrow.RecordBatch, wanted []bool) (arrow.RecordBatch, error) {
	builder := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer builder.Release()
	builder.AppendValues(wanted[:rows.NumRows()], nil)
	mask := builder.NewBooleanArray()
	defer mask.Release()
	return compute.FilterRecordBatch(ctx, rows, mask, compute.DefaultFilterOptions())
}
