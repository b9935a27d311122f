package warehouse

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

var errTest = errors.New("test")

func TestWriteIsAllOrNothing(t *testing.T) {
	db := open(t, Config{})
	run(t, db, `CREATE TABLE raw.t (i INTEGER)`)
	insert := func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO raw.t VALUES (1); CREATE TABLE raw.more (i INTEGER)`)
		return err
	}
	err := db.Write(context.Background(), "failing", func(ctx context.Context, tx *Tx) error {
		return errors.Join(insert(ctx, tx), errTest)
	})
	if !errors.Is(err, errTest) {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = db.Write(context.Background(), "panicking", func(ctx context.Context, tx *Tx) error {
			_ = insert(ctx, tx)
			panic("test")
		})
	}()
	ctx, cancel := context.WithCancel(context.Background())
	err = db.Write(ctx, "cancelled", func(ctx context.Context, tx *Tx) error {
		err := insert(ctx, tx)
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := value(t, db, `SELECT count(*) FROM raw.t`); got != "0" {
		t.Errorf("%s rows of failed transactions are there", got)
	}
	run(t, db, `INSERT INTO raw.t VALUES (2)`)
	if got := value(t, db, `SELECT sum(i) FROM raw.t`); got != "2" {
		t.Errorf("sum = %s", got)
	}
}

func TestCancelInterrupts(t *testing.T) {
	db := open(t, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	began := make(chan struct{})
	go func() {
		<-began
		cancel()
	}()
	err := db.Write(ctx, "endless", func(ctx context.Context, tx *Tx) error {
		close(began)
		_, err := tx.Exec(ctx, `CREATE TABLE raw.t AS SELECT count(*) FROM range(100000000000) a(i), range(100000) b(j) WHERE hash(i + j) = 7`)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Writers are served in the order of asking, and never two at a time.
func TestQueueIsFair(t *testing.T) {
	db := open(t, Config{})
	synctest.Test(t, func(t *testing.T) {
		var order []int
		release := make(chan struct{})
		go func() {
			_ = db.Write(context.Background(), "first", func(context.Context, *Tx) error { <-release; return nil })
		}()
		synctest.Wait()
		for i := range 5 {
			go func() {
				_ = db.Write(context.Background(), "next", func(context.Context, *Tx) error { order = append(order, i); return nil })
			}()
			synctest.Wait() // until it stands in the queue
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := db.Write(ctx, "impatient", func(context.Context, *Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(release)
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Errorf("served in the order %v", order)
		}
	})
}

func TestTemporariesEndWithTheTransaction(t *testing.T) {
	db := open(t, Config{})
	for range 3 {
		run(t, db, `CREATE TEMP TABLE scratch AS SELECT 1 AS a, DATE '2026-01-01' AS b`, `CREATE TEMP VIEW seen AS FROM scratch`)
		err := db.Read(context.Background(), func(ctx context.Context, tx *Tx) error {
			if _, err := tx.Exec(ctx, `CREATE TEMP TABLE scratch AS SELECT 1 AS a, DATE '2026-01-01' AS b`); err != nil {
				return err
			}
			columns, err := tx.Columns(ctx, "", "scratch")
			if want := []Column{{"a", "INTEGER"}, {"b", "DATE"}}; !slices.Equal(columns, want) {
				t.Errorf("columns %v, want %v", columns, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadSeesOneState(t *testing.T) {
	db := open(t, Config{})
	run(t, db, `CREATE TABLE raw.t AS SELECT 1 AS i`)
	err := db.Read(context.Background(), func(ctx context.Context, tx *Tx) error {
		for range 2 {
			var n int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM raw.t`).Scan(&n); err != nil {
				return err
			}
			if n != 1 {
				t.Errorf("a reader sees %d rows", n)
			}
			run(t, db, `INSERT INTO raw.t VALUES (2)`)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, statement := range []string{`INSERT INTO raw.t VALUES (3)`, `DROP TABLE raw.t`, `CREATE TABLE raw.u (i INT)`, `UPDATE raw.t SET i = 0`} {
		err := db.Read(context.Background(), func(ctx context.Context, tx *Tx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		})
		if err == nil {
			t.Errorf("a reader may run %s", statement)
		}
	}
	if got := value(t, db, `SELECT count(*) FROM raw.t`); got != "3" {
		t.Errorf("%s rows", got)
	}
}

// Each column must land under its own name, whatever its place: see scanArrow.
func TestArrowThereAndBack(t *testing.T) {
	allocator := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer allocator.AssertSize(t, 0)
	db := open(t, Config{})
	run(t, db, `CREATE TABLE raw.t (absent INTEGER, s VARCHAR, i BIGINT, n BIGINT)`)
	text, whole := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: whole}, {Name: "i", Type: whole}, {Name: "s", Type: text, Nullable: true}}, nil)
	builder := array.NewRecordBuilder(allocator, schema)
	defer builder.Release()
	builder.Field(0).(*array.Int64Builder).AppendValues([]int64{10, 20, 30, 40}, nil)
	builder.Field(1).(*array.Int64Builder).AppendValues([]int64{1, 2, 3, 4}, nil)
	builder.Field(2).(*array.StringBuilder).AppendValues([]string{"a", "", "a text that does not fit inline", "d"}, []bool{true, false, true, true})
	record := builder.NewRecordBatch()
	defer record.Release()
	head, tail := record.NewSlice(0, 1), record.NewSlice(2, 4) // without the second row
	defer head.Release()
	defer tail.Release()
	err := db.Write(context.Background(), "arrow", func(ctx context.Context, tx *Tx) error {
		for _, use := range []func(array.RecordReader) error{
			func(r array.RecordReader) error { return tx.InsertArrow(ctx, "raw.t", r) },
			func(r array.RecordReader) error { _, err := tx.RegisterArrow("scratch", r); return err },
			func(r array.RecordReader) error { _, err := tx.RegisterArrow("scratch", r); return err },
		} {
			reader, err := array.NewRecordReader(schema, []arrow.RecordBatch{head, tail})
			if err != nil {
				return err
			}
			err = use(reader)
			reader.Release()
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `DELETE FROM raw.t WHERE s IN (SELECT s FROM scratch WHERE i = 4)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = db.Read(context.Background(), func(ctx context.Context, tx *Tx) error {
		reader, err := tx.QueryArrow(ctx, `SELECT concat_ws(' ', i, n, s, absent) FROM raw.t ORDER BY i`)
		if err != nil {
			return err
		}
		defer reader.Release()
		for reader.Next() {
			column := reader.RecordBatch().Column(0).(*array.String)
			for i := range column.Len() {
				got = append(got, strings.Clone(column.Value(i)))
			}
		}
		return reader.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"1 10 a", "3 30 a text that does not fit inline"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// A query that named the view would read memory that is no longer there, and end the process.
	if n := value(t, db, `SELECT count(*) FROM duckdb_views() WHERE view_name = '`+arrowView+`'`); n != "0" {
		t.Error("the view on the records is left behind")
	}
}

func TestCatalog(t *testing.T) {
	db := open(t, Config{})
	run(t, db, `CREATE SCHEMA marts`, `CREATE TABLE marts.t (a DECIMAL(18,9), "b c" VARCHAR[])`, `CREATE VIEW marts.v AS SELECT 1::HUGEINT AS h`)
	err := db.Read(context.Background(), func(ctx context.Context, tx *Tx) error {
		schemas, err := tx.Schemas(ctx)
		if err != nil {
			return err
		}
		if want := []string{"marts", "meta", "raw"}; !slices.Equal(schemas, want) {
			t.Errorf("schemas %v, want %v", schemas, want)
		}
		tables, err := tx.Tables(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(tables, Table{Schema: "marts", Name: "v", View: true}) || !slices.Contains(tables, Table{Schema: "raw", Name: "conversations"}) {
			t.Errorf("tables %v", tables)
		}
		for table, want := range map[string][]Column{"t": {{"a", "DECIMAL(18,9)"}, {"b c", "VARCHAR[]"}}, "v": {{"h", "HUGEINT"}}, "none": nil} {
			columns, err := tx.Columns(ctx, "marts", table)
			if err != nil {
				return err
			}
			if !slices.Equal(columns, want) {
				t.Errorf("columns of %s are %v, want %v", table, columns, want)
			}
		}
		columns, err := tx.Describe(ctx, `SELECT a, count(*) AS n FROM marts.t GROUP BY 1 -- by a`)
		if want := []Column{{"a", "DECIMAL(18,9)"}, {"n", "BIGINT"}}; !slices.Equal(columns, want) {
			t.Errorf("described %v, want %v", columns, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
